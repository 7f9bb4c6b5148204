// The page of `m3scale serve --ui`. One request asks the question at every scale and brings what each
// budget would choose; moving the knob only picks among these answers.

const at = (id) => document.getElementById(id);

let setup = null; // what the server says of model, budgets and examples
let picture = null; // the image as a data URI
let shown = null; // the last result
const token = decodeURIComponent(location.hash.slice(1)); // of a server that wants one: http://.../#TOKEN
let asked = 0; // a number for each question, so that a late answer to an older one is dropped

start();

async function start() {
  try {
    setup = await fetchJson("page/setup");
  } catch (error) {
    return say(error.message);
  }
  at("model").textContent = `${setup.model}, read at ${setup.scales.join(", ")} visual tokens`;
  at("knob").max = setup.budgets.length - 1;
  at("knob").value = setup.start;
  at("knob").addEventListener("input", show);
  at("form").addEventListener("submit", ask);
  at("file").addEventListener("change", () => takeFile(at("file").files[0]));
  document.addEventListener("paste", (event) => takeFile(event.clipboardData.files[0], event));
  const drop = at("drop");
  for (const kind of ["dragover", "dragleave", "drop"]) {
    drop.addEventListener(kind, (event) => {
      event.preventDefault();
      drop.classList.toggle("over", kind === "dragover");
      if (kind === "drop") takeFile(event.dataTransfer.files[0]);
    });
  }
  setup.examples.forEach(addExample);
  show();
}

function addExample({ image, question }, index) {
  const button = document.createElement("button");
  button.type = "button";
  const thumbnail = document.createElement("img");
  thumbnail.src = image;
  thumbnail.alt = `Example ${index + 1}: ${question}`;
  button.append(thumbnail);
  button.addEventListener("click", () => {
    takePicture(image);
    at("question").value = question;
    at("question").focus();
  });
  at("examples").append(button);
}

function takeFile(file, event) {
  if (!file) return;
  event?.preventDefault();
  const reader = new FileReader();
  reader.onload = () => takePicture(reader.result);
  reader.onerror = () => say(`${file.name} cannot be read.`);
  reader.readAsDataURL(file);
}

function takePicture(uri) {
  picture = uri;
  shown = null;
  asked += 1;
  at("image").src = uri;
  at("image").alt = "The image that is asked about";
  at("image").hidden = false;
  at("hint").hidden = true;
  say("");
  show();
}

async function ask(event) {
  event.preventDefault();
  if (!picture) return say("Choose an image first.");
  const number = ++asked;
  say("Reading the image at every scale …");
  at("send").disabled = true;
  try {
    const question = at("question").value;
    const result = await fetchJson("page/explain", { image: picture, question });
    if (number !== asked) return;
    shown = { ...result, question };
    at("image").src = result.view; // padded or cropped as the model does it, so that the grid fits
    say("");
    show();
  } catch (error) {
    if (number === asked) say(error.message);
  } finally {
    at("send").disabled = false;
  }
}

function show() {
  const index = Number(at("knob").value);
  const budget = `${setup.budgets[index]} visual tokens a question`;
  at("budget").textContent = budget;
  at("knob").setAttribute("aria-valuetext", budget);
  at("result").hidden = !shown;
  at("grid").replaceChildren();
  if (!shown) return;

  const column = shown.choices[index];
  const { answer, side, tokens } = shown.scales[column];
  const largest = shown.scales.at(-1).tokens;
  const saved = Math.round(100 * (1 - tokens / largest));
  at("answer").textContent = answer;
  at("reason").textContent = shown.unfamiliar
    ? `Unlike what the router was trained on: read at ${tokens} visual tokens, the most there are.`
    : `Read at ${tokens} visual tokens, ${saved} % less than the most.`;
  at("scales").replaceChildren(...shown.scales.map((row, i) => makeRow(row, i === column)));
  at("times").textContent =
    `Image ${shown.encode_ms.toFixed(0)} ms, router ${shown.router_ms.toFixed(1)} ms.`;
  drawGrid(side);
  at("image").alt = `The image that is asked about, in ${side} times ${side} cells`;
}

function makeRow({ tokens, probability, answer, ms }, chosen) {
  const row = document.createElement("tr");
  row.classList.toggle("chosen", chosen);
  const head = document.createElement("th");
  head.scope = "row";
  head.textContent = chosen ? `${tokens} ✓` : tokens;
  if (chosen) row.setAttribute("aria-current", "true");
  const meter = document.createElement("meter");
  meter.value = probability;
  meter.setAttribute("aria-label", `P(correct) at ${tokens} tokens`);
  const share = document.createElement("td");
  share.append(meter, ` ${probability.toFixed(2)}`);
  row.append(head, share, ...[answer, ms.toFixed(0)].map(makeCell));
  return row;
}

function makeCell(text) {
  const cell = document.createElement("td");
  cell.textContent = text;
  return cell;
}

function drawGrid(side) {
  const grid = at("grid");
  grid.setAttribute("viewBox", `0 0 ${side} ${side}`);
  const lines = [];
  for (let i = 0; i <= side; i += 1) lines.push(`M${i} 0V${side}M0 ${i}H${side}`);
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  path.setAttribute("d", lines.join(""));
  grid.replaceChildren(path);
}

function say(text) {
  at("message").textContent = text;
}

async function fetchJson(url, content) {
  const headers = token ? { Authorization: `Bearer ${token}` } : {};
  const options = { headers };
  if (content) {
    options.method = "POST";
    options.body = JSON.stringify(content);
    headers["Content-Type"] = "application/json";
  }
  let response;
  try {
    response = await fetch(url, options);
  } catch {
    throw new Error("The server does not answer.");
  }
  const result = await response.json().catch(() => null);
  if (!response.ok || !result) {
    throw new Error(result?.error?.message ?? `The server answered ${response.status}.`);
  }
  return result;
}
