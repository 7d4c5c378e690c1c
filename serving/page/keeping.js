// What the browser keeps: the key and the name as long as the tab, what was picked under a name longer.
// Where it keeps nothing, all is held in variables all the same, as long as the page.

const PICKS = "beholder-picks-";
const MOST = 1000;

export function recall(name) {
  try {
    return sessionStorage.getItem(`beholder-${name}`) || "";
  } catch {
    return "";
  }
}

export function remember(name, value) {
  try {
    if (value) sessionStorage.setItem(`beholder-${name}`, value);
    else sessionStorage.removeItem(`beholder-${name}`);
  } catch {
    // as said above
  }
}

const isPick = (pick) =>
  typeof pick?.item?.item_id === "string" && Number.isInteger(pick.stars) && pick.stars >= 1 && pick.stars <= 5;

// The picks under a name that the server has stored: [{ item, stars, from }], oldest first.
export function recallPicks(user) {
  try {
    return JSON.parse(localStorage.getItem(PICKS + user) || "[]").filter(isPick);
  } catch {
    return [];
  }
}

export function rememberPicks(user, picks) {
  try {
    const kept = picks.slice(-MOST).map(({ item, stars, from }) => ({ item, stars, from }));
    if (kept.length) localStorage.setItem(PICKS + user, JSON.stringify(kept));
    else localStorage.removeItem(PICKS + user);
  } catch {
    // as said above
  }
}
