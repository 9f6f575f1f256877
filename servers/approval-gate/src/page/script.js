// What no server can do: ask the person's own passkey. Everything that is signed is compared, here, with what is shown.
"use strict";

const toText = (bytes) =>
  btoa(String.fromCharCode(...new Uint8Array(bytes))).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
const toBytes = (text) =>
  Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0));
const sha256 = async (bytes) => new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
const hex = (bytes) => Array.from(bytes, (b) => b.toString(16).padStart(2, "0")).join("");

function say(form, text) {
  form.querySelector("[role=status]").textContent = text;
}

function fill(form, values) {
  for (const [name, value] of Object.entries(values)) form.elements.namedItem(name).value = value;
}

// The plan is on this page; its digest must be the one in the statement that will be signed. Characters that cannot be
// seen are written out in what is shown. A no is never held up.
async function check(form, message) {
  const statement = JSON.parse(new TextDecoder().decode(message.slice(message.indexOf(0x7b))));
  if (statement.decision !== form.dataset.decision) throw new Error("the statement says something else than the button");
  if (statement.decision !== "approve") return;
  const shown = document.getElementById("plan");
  const bytes = toBytes(shown.dataset.bytes);
  const digest = "sha256:" + hex(await sha256(bytes));
  const written = shown.textContent.replace(/\\u\{([0-9a-f]+)\}/g, (_, code) => String.fromCodePoint(parseInt(code, 16)));
  if (statement.plan_digest !== digest || written !== new TextDecoder().decode(bytes))
    throw new Error("the plan on this page is not the one that would be signed");
}

async function answer(form) {
  const message = toBytes(form.dataset.message);
  if (form.dataset.decision) await check(form, message);
  const challenge = await sha256(message);
  const ids = (form.dataset.credentials || "").split(" ").filter(Boolean);
  const credential = await navigator.credentials.get({
    publicKey: {
      challenge,
      rpId: location.hostname,
      userVerification: "required",
      allowCredentials: ids.map((id) => ({ type: "public-key", id: toBytes(id) })),
      timeout: 120000,
    },
  });
  fill(form, {
    credential: toText(credential.rawId),
    client_data: toText(credential.response.clientDataJSON),
    authenticator_data: toText(credential.response.authenticatorData),
    signature: toText(credential.response.signature),
  });
}

async function create(form) {
  const user = form.dataset.person;
  const credential = await navigator.credentials.create({
    publicKey: {
      challenge: await sha256(toBytes(form.dataset.message)),
      rp: { id: location.hostname, name: form.dataset.gate },
      user: { id: await sha256(new TextEncoder().encode(user)), name: user, displayName: user },
      pubKeyCredParams: [{ type: "public-key", alg: -7 }],
      authenticatorSelection: { residentKey: "required", userVerification: "required" },
      attestation: "none",
      timeout: 120000,
    },
  });
  fill(form, {
    client_data: toText(credential.response.clientDataJSON),
    authenticator_data: toText(credential.response.getAuthenticatorData()),
  });
}

// How long each part was looked at: what takes long says where the runbook leaves questions open.
const seconds = new Map();
const inView = new Set();
const watcher = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries) {
    if (isIntersecting) inView.add(target.dataset.part);
    else inView.delete(target.dataset.part);
  }
});
document.querySelectorAll("[data-part]").forEach((part) => watcher.observe(part));
setInterval(() => {
  if (document.visibilityState !== "visible") return;
  for (const part of inView) seconds.set(part, (seconds.get(part) || 0) + 1);
}, 1000);

function readingTimes() {
  return JSON.stringify([...seconds].sort((a, b) => b[1] - a[1]).slice(0, 8));
}

for (const form of document.querySelectorAll("form[data-passkey]")) {
  const buttons = form.querySelectorAll("button");
  buttons.forEach((button) => (button.disabled = false));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    buttons.forEach((button) => (button.disabled = true));
    try {
      say(form, "Waiting for your passkey …");
      await (form.dataset.passkey === "create" ? create(form) : answer(form));
      const review = form.elements.namedItem("parts");
      if (review) review.value = readingTimes();
      form.submit();
    } catch (error) {
      say(form, `Nothing was signed: ${error.message}`);
      buttons.forEach((button) => (button.disabled = false));
    }
  });
}
