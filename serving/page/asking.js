// How the page asks the endpoint: with a key where one is needed, again where all were busy.

import { recall, remember } from "./keeping.js";

const LONGEST_WAIT = 60; // seconds
const at = (id) => document.getElementById(id);

let key = recall("key");
let opened = null; // while a key is asked for: resolves to whether one was given

export const hasKey = () => key !== "";

function askForKey(sentence) {
  if (opened) return opened;
  const form = at("key-form");
  at("key-why").textContent = sentence;
  at("key").value = "";
  form.returnValue = "";
  form.showModal();
  opened = new Promise((resolve) => {
    const close = () => {
      const given = form.returnValue === "use" ? at("key").value.trim() : "";
      opened = null;
      if (given) {
        key = given;
        remember("key", key);
      }
      resolve(given !== "");
    };
    form.addEventListener("close", close, { once: true });
  });
  return opened;
}

function wait(answer, sentence, isQuiet) {
  const seconds = Math.max(1, Number(answer.headers.get("retry-after")) || 1);
  if (seconds > LONGEST_WAIT) throw new Error(sentence);
  if (!isQuiet) {
    at("problem").textContent = `${sentence}. This page asks again by itself in ${seconds} s.`;
    at("problem").hidden = false;
  }
  return new Promise((resolve) => setTimeout(resolve, 1000 * seconds));
}

async function send(address, options = {}, isQuiet = false) {
  for (let hasWaited = false; ; ) {
    const used = key;
    const headers = used ? { ...options.headers, authorization: `Bearer ${used}` } : options.headers;
    let answer;
    try {
      answer = await fetch(address, { ...options, headers });
    } catch {
      throw new Error("The server does not answer. Try again in a moment.");
    }
    if (answer.ok) return answer;
    const told = await answer.json().catch(() => ({}));
    const sentence = told.error || `The server answered ${answer.status}`;
    if (answer.status === 401 || answer.status === 403) {
      // While this was under way, another question may have brought a new key.
      const why = used ? sentence : "Whoever runs this server has one: 'beholder keys make' makes it.";
      if (isQuiet || (used === key && !(await askForKey(why)))) throw new Error(sentence);
    } else if (answer.status === 429 && !hasWaited) {
      hasWaited = true;
      await wait(answer, sentence, isQuiet);
    } else throw new Error(sentence);
  }
}

// The answer's body, and in `asked` the id of its request.
export async function ask(address, options) {
  const answer = await send(address, options);
  return { ...(await answer.json().catch(() => ({}))), asked: answer.headers.get("x-request-id") };
}

export const post = (address, body) =>
  ask(address, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });

// A picture that needs a key cannot be named as an address: its bytes are fetched as it comes near.
const held = new Map(); // address -> promise of the address of its bytes

const bytesOf = (address) =>
  send(address, {}, true)
    .then((answer) => answer.blob())
    .then((blob) => URL.createObjectURL(blob));

async function fill(image) {
  const address = image.dataset.address;
  if (!held.has(address)) held.set(address, bytesOf(address));
  try {
    image.src = await held.get(address);
  } catch {
    held.delete(address); // the frame stays empty, and the next look asks again
  }
}

const watch = new IntersectionObserver(
  (entries) => {
    for (const { isIntersecting, target } of entries) {
      if (!isIntersecting) continue;
      watch.unobserve(target);
      fill(target);
    }
  },
  { rootMargin: "300px" },
);

export function fillByKey(image, address) {
  image.dataset.address = address;
  watch.observe(image);
  return image;
}
