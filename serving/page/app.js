// The page: what the visitor picked lives in `ratings`; every change asks the endpoint again.
// Under a name it goes to the feedback log as well, and the endpoint remembers it by itself.

import { ask, fillByKey, hasKey, post } from "./asking.js";
import { recall, recallPicks, remember, rememberPicks } from "./keeping.js";

const LISTED = 12;
const ALIKE = 6;
const PAGE = 24;
const SEED = 7;
const PATHS = {
  factors: "From what the model learnt of you.",
  history: "From what you picked.",
  named: "From what is stored under this name.",
  prior: "Nothing of your taste is known yet: what the average person would like.",
  rules: "Nothing of your taste is known yet: what is rated often, of late and well.",
};

// item id -> { item, stars, from, event, isStored }, oldest first; `from` is the answer that showed
// it, `event` what the feedback log was or will be told.
const ratings = new Map();
// What the server said of the user last: `remembered` ratings (null: it could not say), whether it
// knows any taste. `spare` are further look-alikes of the upload.
const state = {
  scale: [1, 5], release: "", offset: 0, asked: 0, gallery: 0, before: new Set(), user: recall("user"),
  remembered: 0, isKnown: false, spare: [],
};
const at = (id) => document.getElementById(id);

function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== undefined && value !== null && value !== false) element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

function tell(text) {
  at("live").textContent = text;
}

async function attempt(work) {
  try {
    await work();
    at("problem").hidden = true;
  } catch (error) {
    at("problem").textContent = error.message;
    at("problem").hidden = false;
  }
}

const isLiked = (id) => ratings.get(id)?.stars === 5;
const nameOf = (item) => item.title || `Item ${item.item_id}`;

const count = (number, noun) => `${number.toLocaleString("en")} ${noun}${number === 1 ? "" : "s"}`;
const percent = (cosine) => `${Math.round(100 * Math.max(0, cosine))} %`;

// Star s of five on the model's scale: its share of the highest where that is on the scale.
function toRating(stars) {
  const [lowest, highest] = state.scale;
  if (highest > 0 && lowest >= 0 && lowest <= highest / 5) return (highest * stars) / 5;
  return lowest + ((highest - lowest) * (stars - 1)) / 4;
}

const history = () =>
  [...ratings.values()]
    .filter((one) => !one.isStored)
    .slice(-1000)
    .map(({ item, stars }) => ({ item_id: item.item_id, rating: toRating(stars) }));

function makeId() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

function makeEvent({ item, stars, from }) {
  const what = { item_id: item.item_id, kind: "rating", value: toRating(stars) };
  return { event_id: makeId(), user_id: state.user, ...what, ...from };
}

// What could not be sent stays, and goes again with its id: so it is stored once.
async function store() {
  const waiting = [...ratings.values()].filter((one) => !one.isStored).slice(0, 1000);
  if (!state.user || !waiting.length) return;
  for (const one of waiting) {
    if (one.event?.user_id !== state.user) one.event = makeEvent(one);
  }
  await post("feedback", { events: waiting.map(({ event }) => event) });
  for (const one of waiting) one.isStored = true;
  keepPicks();
  showRated();
}

const keepPicks = () => rememberPicks(state.user, [...ratings.values()].filter((one) => one.isStored));

// What this browser knows to be stored under the name comes before what was picked just now.
function restorePicks() {
  const now = [...ratings.values()];
  ratings.clear();
  for (const pick of state.user ? recallPicks(state.user) : []) ratings.set(pick.item.item_id, { ...pick, isStored: true });
  for (const one of now) {
    ratings.delete(one.item.item_id);
    ratings.set(one.item.item_id, one);
  }
}

// A server that knows nothing of the name has not stored them: it is another one, or began anew.
function dropUnknown(answer) {
  if (!state.user || answer.remembered !== 0 || !["prior", "rules"].includes(answer.path)) return;
  const stored = [...ratings.values()].filter((one) => one.isStored);
  if (!stored.length) return;
  for (const { item } of stored) ratings.delete(item.item_id);
  keepPicks();
  showRated();
}

function liked() {
  const best = [...ratings.values()].filter(({ stars }) => stars >= 4);
  return best.map(({ item }) => item.item_id).slice(-1000);
}

function picture(item, alt, sizes) {
  const address = (width) =>
    `items/${encodeURIComponent(item.item_id)}/picture?width=${width}` +
    `&release=${encodeURIComponent(state.release)}`;
  const common = { alt, decoding: "async", width: 120, height: 160 };
  if (hasKey()) return fillByKey(make("img", common), address(sizes.includes("vw") ? 320 : 160));
  const srcset = `${address(160)} 160w, ${address(320)} 320w`;
  return make("img", { ...common, src: address(160), srcset, sizes, loading: "lazy" });
}

const origin = ({ asked, model }) => ({ request_id: asked, version: model.version, lineage_id: model.lineage_id });

function stars(item, from) {
  const group = make("div", { class: "stars", role: "group", "aria-label": `Rate ${nameOf(item)}` });
  for (let star = 1; star <= 5; star += 1) {
    const label = `${star} of 5 stars for ${nameOf(item)}`;
    const rateIt = () => rate(item, star, from, group.closest("ul").id);
    group.append(make("button", { type: "button", "aria-label": label, title: `${star} of 5`, onclick: rateIt }));
  }
  return group;
}

function card(item, from, { badge, badgeTitle, reason, isNew }) {
  const frame = make("div", { class: "frame" }, picture(item, "", "(min-width: 1000px) 170px, 45vw"));
  if (isNew) frame.append(make("span", { class: "badge new" }, "new"));
  if (badge) frame.append(make("span", { class: "badge score", title: badgeTitle }, badge));
  const why = reason ? [make("p", { class: "why" }, ...reason)] : [];
  const title = make("p", { class: "title", title: nameOf(item) }, nameOf(item));
  return make("li", { "data-item": item.item_id }, frame, title, ...why, stars(item, from));
}

function showOrigin(model) {
  state.release = model.lineage_id;
  at("answered").textContent = `answered by version ${model.version} · lineage ${model.lineage_id.slice(0, 12)}`;
}

function reasonFor(told) {
  if (!told || told.nearest === null || !ratings.has(told.nearest)) return null;
  const near = ratings.get(told.nearest).item;
  return [picture(near, "", "25px"), make("span", {}, `${percent(told.similarity)} like ${nameOf(near)}`)];
}

async function recommend() {
  const asked = (state.asked += 1);
  const list = at("recommended-list");
  list.setAttribute("aria-busy", "true");
  try {
    const who = state.user ? { user_id: state.user } : {};
    const answer = await post("recommend", { ...who, history: history(), k: LISTED });
    const liking = liked();
    const ids = answer.items.map((item) => item.item_id);
    const told = liking.length && ids.length ? await post("explain", { item_ids: ids, liked: liking }) : { reasons: [] };
    if (asked !== state.asked) return;
    state.remembered = answer.remembered;
    state.isKnown = ["factors", "history"].includes(answer.path);
    dropUnknown(answer);
    const reasons = new Map(told.reasons.map((reason) => [reason.item_id, reason]));
    showOrigin(answer.model);
    const before = state.before;
    const isNew = (id) => before.size > 0 && !before.has(id);
    list.replaceChildren(
      ...answer.items.map((item) =>
        card(item, origin(answer), {
          badge: `★ ${item.rating.toFixed(1)}`,
          badgeTitle: "predicted rating",
          reason: reasonFor(reasons.get(item.item_id)),
          isNew: isNew(item.item_id),
        }),
      ),
    );
    showTaste();
    showUser();
    const path = answer.path === "history" && state.user ? "named" : answer.path;
    at("path").textContent = PATHS[path] + (ids.length ? "" : " Nothing is left to recommend.");
    const fresh = ids.filter(isNew).length;
    if (before.size) tell(`${count(ids.length, "recommendation")}, ${fresh} of them new.${ids.length ? ` First: ${nameOf(answer.items[0])}.` : ""}`);
    state.before = new Set(ids);
  } finally {
    if (asked === state.asked) list.removeAttribute("aria-busy");
  }
}

// What is stored cannot be taken back, but rated otherwise.
function showGiven({ item, stars: given, isStored }) {
  if (!isStored) {
    const shown = make("span", { "aria-hidden": "true" }, `★ ${given}`);
    const read = make("span", { class: "hidden" }, `${given} of 5 stars`);
    const label = `Take ${nameOf(item)} back`;
    const back = make("button", { type: "button", "aria-label": label, onclick: () => takeBack(item) }, "×");
    return [make("p", { class: "given" }, shown, read), back];
  }
  const options = [5, 4, 3, 2, 1].map((star) =>
    make("option", { value: star, selected: star === given, "aria-label": `${star} of 5 stars` }, `★ ${star}`),
  );
  const again = (event) => rateAgain(item, Number(event.target.value));
  return [make("select", { class: "given", "aria-label": `Your rating of ${nameOf(item)}`, onchange: again }, ...options)];
}

function showRated() {
  at("rated").replaceChildren(
    ...[...ratings.values()].reverse().map((one) =>
      make(
        "li",
        { "data-item": one.item.item_id },
        make("div", { class: "frame" }, picture(one.item, nameOf(one.item), "66px")),
        ...showGiven(one),
      ),
    ),
  );
  showTaste();
  at("clear").hidden = ratings.size === 0 || state.user !== "";
  for (const button of document.querySelectorAll(".like")) {
    button.setAttribute("aria-pressed", String(isLiked(button.closest("li").dataset.item)));
  }
}

function showTaste() {
  at("nothing").hidden = ratings.size > 0;
  at("nothing").textContent = describeNothing();
  placeRecommended();
}

function describeNothing() {
  const { user, remembered, isKnown } = state;
  const hint = "Like a picture below, or give one of your own.";
  if (!user) return `Nothing yet. ${hint}`;
  if (remembered) {
    const [are, them] = remembered === 1 ? ["is", "it"] : ["are", "them"];
    return `${count(remembered, "rating")} ${are} stored under this name. This browser has no copy of ${them} to show; your lists count ${them} in.`;
  }
  return isKnown ? `The model has learnt from what was rated under this name. This browser has no copy of that to show. ${hint}` : `Nothing under this name yet. ${hint}`;
}

// Until something is known there is nothing to recommend by: the gallery comes first. Only this part
// moves, so that whoever picks in the gallery keeps the focus there.
function placeRecommended() {
  const part = at("recommended-part");
  const gallery = at("gallery-part");
  const isFirst = ratings.size > 0 || state.isKnown;
  if (isFirst && part.previousElementSibling === gallery) gallery.before(part);
  if (!isFirst && part.nextElementSibling === gallery) gallery.after(part);
}

function showUser() {
  const { user, remembered } = state;
  at("who").hidden = user !== "";
  at("known").hidden = user === "";
  at("user").textContent = user;
  at("remembered").textContent =
    remembered === null
      ? "The server could not look up what it stored under this name."
      : `Ratings stored under this name that the model has not learnt yet: ${remembered}. The server keeps them, and every list of yours counts them in.` +
        (ratings.size && remembered > ratings.size ? " Those of which this browser has no copy are not shown above." : "");
  at("where").textContent = user
    ? `What you rate is stored on this server under the name “${user}”, and the next training learns from it; this browser keeps a copy, to show you what it was. A name is no password: whoever gives it gets its lists.`
    : "What you pick stays in this tab and goes with each question to this server only.";
}

function change() {
  showRated();
  return attempt(async () => {
    try {
      await store();
    } finally {
      await recommend();
    }
  });
}

function rated(item, given, from) {
  ratings.delete(item.item_id);
  ratings.set(item.item_id, { item, stars: given, from });
}

async function rateAgain(item, given) {
  rated(item, given, ratings.get(item.item_id).from);
  await change();
  focusOnGiven(item);
}

function focusOnGiven(item) {
  at("rated").querySelector(`[data-item="${CSS.escape(item.item_id)}"] :is(select, button)`)?.focus();
}

// A rated card leaves its list, so the focus goes to the one that takes its place.
async function rate(item, given, from, listId) {
  const list = at(listId);
  const row = [...list.children].findIndex((child) => child.dataset.item === item.item_id);
  rated(item, given, from);
  if (listId === "alike-list") {
    list.children[row]?.remove();
    state.spare = state.spare.filter((spare) => !ratings.has(spare.dataset.item));
    list.append(...state.spare.splice(0, 1));
  }
  await change();
  const next = list.children[Math.min(row, list.children.length - 1)];
  (next?.querySelector(".stars button") || at("recommended")).focus({ preventScroll: true });
}

function takeBack(item) {
  ratings.delete(item.item_id);
  const done = change();
  (at("rated").querySelector("button") || at("gallery-name")).focus({ preventScroll: true });
  return done;
}

function toggle(item, from) {
  if (isLiked(item.item_id) && ratings.get(item.item_id).isStored) {
    tell(`Your rating of ${nameOf(item)} is stored. Here you can choose another one.`);
    return focusOnGiven(item);
  }
  if (isLiked(item.item_id)) ratings.delete(item.item_id);
  else rated(item, 5, from);
  return change();
}

function galleryCard(item, from) {
  return make(
    "li",
    { "data-item": item.item_id },
    make(
      "div",
      { class: "frame" },
      picture(item, "", "(min-width: 1000px) 125px, 30vw"),
      make("button", {
        class: "like",
        type: "button",
        "aria-label": `Like ${nameOf(item)}`,
        "aria-pressed": String(isLiked(item.item_id)),
        title: nameOf(item),
        onclick: () => toggle(item, from),
      }),
    ),
  );
}

async function browse(isMore) {
  const asked = (state.gallery += 1);
  if (!isMore) state.offset = 0;
  const query = new URLSearchParams({ offset: state.offset, limit: PAGE, with_picture: true, shuffle: SEED });
  if (at("category").value) query.set("category", at("category").value);
  const answer = await ask(`items?${query}`);
  if (asked !== state.gallery) return;
  state.release = answer.model.lineage_id;
  // The gallery predicts nothing, so no request is named: a rating says of which model's time it is.
  const { version, lineage_id } = answer.model;
  const cards = answer.items.map((item) => galleryCard(item, { version, lineage_id }));
  if (isMore) at("gallery").append(...cards);
  else at("gallery").replaceChildren(...cards);
  state.offset += answer.items.length;
  at("more").hidden = state.offset >= answer.total;
  at("count").textContent = `${state.offset.toLocaleString("en")} of ${count(answer.total, "picture")}. A heart counts as five stars.`;
  if (isMore) cards[0]?.querySelector("button").focus({ preventScroll: true });
  if (at("category").options.length === 1) {
    at("category").append(...answer.categories.map((name) => make("option", { value: name }, name)));
  }
}

async function look(file) {
  tell("Looking at your picture.");
  const form = new FormData();
  form.append("image", file);
  form.append("k", String(2 * ALIKE));
  const exclude = [...ratings.keys()].slice(-1000);
  if (state.user) form.append("user_id", JSON.stringify(state.user));
  if (exclude.length) form.append("exclude", JSON.stringify(exclude));
  const answer = await ask("recommend_by_image", { method: "POST", body: form });
  showOrigin(answer.model);
  URL.revokeObjectURL(at("own").src);
  at("own").src = URL.createObjectURL(file);
  const cards = answer.similar.map((item) =>
    card(item, origin(answer), { badge: percent(item.similarity), badgeTitle: "how much it looks like your picture" }),
  );
  state.spare = cards.splice(ALIKE); // they fill the places of those that are rated
  at("alike-list").replaceChildren(...cards);
  at("alike-part").hidden = false;
  at("alike").focus();
  tell(`${count(cards.length, "look-alike")} of your picture. First: ${cards.length ? nameOf(answer.similar[0]) : "none"}.`);
}

async function begin() {
  const model = await ask("model");
  state.scale = model.scale;
  showOrigin(model.model);
  const { ratings: rows, users, items, items_appended: appended } = model.counts;
  at("model").textContent =
    `Version ${model.model.version}, family ${model.family}, lineage ${model.model.lineage_id}; ` +
    `learnt from ${count(rows, "rating")} by ${users === 1 ? "1 person" : `${users.toLocaleString("en")} people`} ` +
    `of ${count(items - appended, "item")}${appended ? `, and ${count(appended, "item")} came since` : ""}; pictures seen through ${model.encoder}.`;
  await Promise.all([browse(false), recommend()]);
}

at("category").addEventListener("change", () => attempt(() => browse(false)));
at("more").addEventListener("click", () => attempt(() => browse(true)));
at("clear").addEventListener("click", async () => {
  ratings.clear();
  at("gallery-name").focus({ preventScroll: true });
  await change();
});
at("file").addEventListener("change", async (event) => {
  const [file] = event.target.files;
  if (file) await attempt(() => look(file));
  event.target.value = "";
});
at("forget").addEventListener("click", () => {
  URL.revokeObjectURL(at("own").src);
  at("own").removeAttribute("src");
  at("alike-part").hidden = true;
  at("file").focus();
});
at("who").addEventListener("submit", async (event) => {
  event.preventDefault();
  state.user = at("name").value.trim();
  if (!state.user) return;
  remember("user", state.user);
  Object.assign(state, { remembered: 0, isKnown: false });
  restorePicks();
  showUser();
  at("leave").focus();
  await change();
  tell(`You rate as ${state.user}. ${at("remembered").textContent}`);
});
at("leave").addEventListener("click", async () => {
  state.user = "";
  remember("user", "");
  ratings.clear();
  Object.assign(state, { remembered: 0, isKnown: false });
  showUser();
  at("name").value = "";
  at("name").focus();
  await change();
});
at("key-cancel").addEventListener("click", () => at("key-form").close(""));
restorePicks();
showRated();
showUser();
attempt(begin);
