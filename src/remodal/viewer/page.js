"use strict";
// The controls of the page, and what NiiVue shows of the volumes that lie in it.

const contents = JSON.parse(document.getElementById("contents").textContent);
const VIEWS = [["3 planes", 3], ["axial", 0], ["coronal", 1], ["sagittal", 2], ["3-D", 4]];
const RENDERING = 4;
const DASHES = [[], [4, 2.5], [1, 2], [6, 2, 1, 2]];
const FILL = 0.45;

const byId = (id) => document.getElementById(id);
const nv = new niivue.Niivue({
  isRadiologicalConvention: true,
  sagittalNoseLeft: true,
  multiplanarShowRender: 0,
  isForceMouseClickToVoxelCenters: true,
  dragAndDropEnabled: false,
  crosshairColor: [0.38, 0.74, 0.84, 0.8],
  crosshairWidth: 0.2,
  crosshairWidthUnit: "percent",
  crosshairGap: 12,
  logLevel: "error",
});

// Every segmentation with what it needs to be drawn; volume and mask are there once it was shown.
const groups = contents.groups.map((group) => group.segmentations.map((one) => ({ ...one })));
const segmentations = groups.flat();
groups.forEach((group, number) => group.forEach((one) => (one.group = number)));
const firstScenario = groups.findIndex((group) => group.some((one) => !one.truth));
const images = contents.images.map((one) => ({ ...one }));
const state = {
  view: 3,
  image: images[0],
  style: "outline",
  colours: contents.classes.length > 1 ? "class" : "source",
};

function failed(error) {
  document.documentElement.dataset.state = "failed";
  byId("trouble").textContent = `The page cannot be shown: ${error.message ?? error}`;
  byId("trouble").hidden = false;
}

// A volume of the page, read when it is first wanted.
async function loaded(one, options) {
  if (!one.image) {
    const element = byId(one.volume);
    const [low, high] = JSON.parse(element.dataset.window ?? "[0, 1]");
    one.image = await niivue.NVImage.loadFromBase64({
      base64: element.textContent,
      name: `${one.volume}.nii.gz`,
      colormap: "gray",
      cal_min: low,
      cal_max: high,
      ...options,
    });
  }
  return one.image;
}

async function loadedMask(one) {
  const image = await loaded(one, { opacity: FILL });
  if (!one.mask) {
    one.mask = { dims: image.dimsRAS.slice(1, 4), voxels: image.img2RAS(), lines: new Map() };
  }
  return image;
}

// The colour and dashes of a class in a segmentation.
function stroke(one, number) {
  if (state.colours === "class") {
    const dash = one.truth ? 0 : 1 + (segmentations.indexOf(one) % (DASHES.length - 1));
    return { colour: contents.classes[number].colour, dash: DASHES[dash] };
  }
  const dash = one.truth ? 0 : (one.group - firstScenario) % DASHES.length;
  return { colour: one.colour, dash: DASHES[dash] };
}

function labelTable(one) {
  const colours = contents.classes.map((_, number) => stroke(one, number).colour);
  const channel = (at) => [0, ...colours.map((text) => parseInt(text.slice(at, at + 2), 16))];
  return {
    R: channel(1),
    G: channel(3),
    B: channel(5),
    A: [0, ...colours.map(() => 255)],
    I: [0, ...colours.map((_, number) => number + 1)],
    labels: ["", ...contents.classes.map((one) => one.title)],
  };
}

const switchedOn = () => segmentations.filter((one) => one.box.checked);

// Bring NiiVue's volumes to what is wanted: the image, and filled masks.
async function arrange() {
  const on = switchedOn();
  document.documentElement.dataset.state = "loading";
  const image = await loaded(state.image);
  for (const one of on) await loadedMask(one);
  const fills = state.style === "filled" || state.view === RENDERING ? on : [];
  for (const one of fills) one.image.setColormapLabel(labelTable(one));
  const wanted = [image, ...fills.map((one) => one.image)];
  for (const volume of wanted) if (!nv.volumes.includes(volume)) nv.addVolume(volume);
  for (const volume of [...nv.volumes]) if (!wanted.includes(volume)) nv.removeVolume(volume);
  wanted.forEach((volume, place) => {
    if (nv.volumes[place] !== volume) nv.setVolume(volume, place);
  });
  nv.setSliceType(state.view);
  if (fills.length) nv.updateGLVolume(); // their colours may have changed
  describe();
  Object.assign(document.documentElement.dataset, {
    volumes: nv.volumes.length,
    outlined: on.length,
    state: "ready",
  });
}

// One change after another: an earlier one may still read its volumes.
let queue = Promise.resolve();
const change = () => (queue = queue.then(arrange).catch(failed));

function outlined() {
  if (state.style !== "outline") return [];
  return switchedOn().filter((one) => one.mask).map((one) => ({
    ...one.mask,
    strokes: contents.classes.map((_, number) => ({ value: number + 1, ...stroke(one, number) })),
  }));
}

// Words on the voxel at the crosshair.
function describe() {
  if (!nv.volumes.length) return;
  const place = nv.scene.crosshairPos;
  const [x, y, z] = nv.frac2mm(place, 0, true);
  const side = (value, [positive, negative]) =>
    `${Math.abs(value).toFixed(1)} mm ${value < 0 ? negative : positive}`;
  const voxel = nv.volumes[0].mm2vox([x, y, z]);
  const value = nv.volumes[0].getValue(voxel[0], voxel[1], voxel[2]);
  const lines = [[side(x, ["R", "L"]), side(y, ["A", "P"]), side(z, ["S", "I"])].join(", ")];
  lines.push(`${state.image.title}: ${Number(value.toFixed(3))}`);
  for (const one of switchedOn()) {
    if (!one.mask) continue;
    const { dims, voxels } = one.mask;
    const [i, j, k] = dims.map((n, axis) => Math.min(Math.floor(place[axis] * n), n - 1));
    const found = contents.classes[voxels[i + dims[0] * (j + dims[1] * k)] - 1];
    lines.push(`${one.title}: ${found ? found.title : "–"}`);
  }
  byId("here").textContent = lines.join("\n");
}

function element(kind, properties = {}, ...children) {
  const made = Object.assign(document.createElement(kind), properties);
  made.append(...children);
  return made;
}

function lineSample(one) {
  const drawn = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const line = document.createElementNS(drawn.namespaceURI, "line");
  const { colour, dash } = stroke(one, 0);
  Object.entries({ width: 26, height: 8, "aria-hidden": true }).forEach(([name, value]) =>
    drawn.setAttribute(name, value));
  const look = { x1: 0, x2: 26, y1: 4, y2: 4, "stroke-width": 2.5 };
  look.stroke = state.colours === "class" ? "currentColor" : colour;
  look["stroke-dasharray"] = dash.map((part) => part * 2).join(" ");
  Object.entries(look).forEach(([name, value]) => line.setAttribute(name, value));
  drawn.append(line);
  return drawn;
}

function radios(name, choices, chosen, choose) {
  return choices.map(([title, value]) => {
    const input = element("input", { type: "radio", name, checked: value === chosen });
    input.addEventListener("change", () => { choose(value); change(); });
    return element("label", {}, input, element("span", { textContent: title }));
  });
}

function legend() {
  segmentations.forEach((one) => one.sample.replaceChildren(lineSample(one)));
  byId("classes").replaceChildren(...contents.classes.map((one) => {
    const swatch = element("span", { className: "swatch", hidden: state.colours !== "class" });
    swatch.style.background = one.colour;
    return element("li", {}, swatch, element("span", { textContent: one.title }));
  }));
}

function controls() {
  byId("views").append(...radios("view", VIEWS, state.view, (value) => (state.view = value)));
  const named = images.map((one) => [one.title, one]);
  byId("images").append(...radios("image", named, state.image, (one) => (state.image = one)));
  contents.groups.forEach((group, number) => {
    const rows = groups[number].map((one) => {
      one.box = element("input", { type: "checkbox", checked: one.truth });
      one.box.addEventListener("change", change);
      one.sample = element("span");
      const words = [element("span", { textContent: one.title })];
      words.push(element("small", { textContent: one.note }));
      return element("label", {}, one.box, one.sample, ...words);
    });
    const open = number <= Math.max(firstScenario, 0);
    byId("groups").append(
      element("details", { open }, element("summary", { textContent: group.title }), ...rows));
  });
  for (const name of ["style", "colours"]) {
    for (const input of document.getElementsByName(name)) {
      input.addEventListener("change", () => { state[name] = input.value; legend(); change(); });
    }
  }
  for (const [id, checked] of [["all", true], ["none", false]]) {
    byId(id).addEventListener("click", () => {
      segmentations.forEach((one) => (one.box.checked = checked));
      change();
    });
  }
  legend();
}

async function start() {
  controls();
  await nv.attachToCanvas(byId("slices"));
  const draw = nv.drawScene;
  nv.drawScene = function () {
    const said = draw.call(this);
    drawOutlines(nv, byId("outlines"), outlined());
    return said;
  };
  nv.onLocationChange = describe;
  await change();
  if (contents.centre) {
    nv.scene.crosshairPos = nv.mm2frac(contents.centre, 0, true);
    nv.drawScene();
    describe();
  }
}

start().catch(failed);
