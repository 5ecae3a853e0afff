"use strict";
// Outlines of masks, drawn over NiiVue's slices: NiiVue fills masks, but cannot outline several.

// The two axes (0: left to right, 1: posterior to anterior, 2: inferior to superior) of a plane,
// and the one across it, by NiiVue's number of the plane: axial, coronal, sagittal.
const PLANES = [[0, 1, 2], [0, 2, 1], [1, 2, 0]];

// Closed lines around the voxels of one class in one section of a mask.
// A line runs along the edges of voxels, through the middle of each: corners are cut.
// Returns a list of lines, each a list of points in voxels from the section's corner.
function contours(mask, plane, index, value) {
  const [a, b, across] = PLANES[plane];
  const stride = [1, mask.dims[0], mask.dims[0] * mask.dims[1]];
  const width = mask.dims[a], height = mask.dims[b], offset = index * stride[across];
  const inside = (u, v) =>
    u >= 0 && v >= 0 && u < width && v < height &&
    mask.voxels[offset + u * stride[a] + v * stride[b]] === value;
  // Edges by the corner that they start at; the class is on their left.
  const edges = new Map();
  const add = (u, v, toU, toV) => {
    const start = v * (width + 1) + u;
    if (!edges.has(start)) edges.set(start, []);
    edges.get(start).push([u, v, toU, toV]);
  };
  for (let v = 0; v < height; v++) {
    for (let u = 0; u < width; u++) {
      if (!inside(u, v)) continue;
      if (!inside(u, v - 1)) add(u, v, u + 1, v);
      if (!inside(u + 1, v)) add(u + 1, v, u + 1, v + 1);
      if (!inside(u, v + 1)) add(u + 1, v + 1, u, v + 1);
      if (!inside(u - 1, v)) add(u, v + 1, u, v);
    }
  }
  const lines = [];
  for (const [start, begun] of edges) {
    while (begun.length) {
      const line = [];
      let corner = start;
      do {
        const [u, v, toU, toV] = edges.get(corner).pop();
        line.push([(u + toU) / 2, (v + toV) / 2]);
        corner = toV * (width + 1) + toU;
      } while (corner !== start);
      lines.push(line);
    }
  }
  return lines;
}

// Where a tile's voxels are on the canvas: [x, y] of a point in voxels; null for a rendering.
function placement(nv, tile, number, dims) {
  if (tile.axCorSag > 2) return null;
  const [a, b] = PLANES[tile.axCorSag];
  const [left, top, width, height] = tile.leftTopWidthHeight;
  const points = [[0.25, 0.25], [0.75, 0.25], [0.25, 0.75]].map(([x, y]) => {
    const canvas = [left + x * width, top + y * height];
    const place = nv.screenXY2TextureFrac(canvas[0], canvas[1], number, false);
    return { canvas, voxel: [place[a] * dims[a], place[b] * dims[b]] };
  });
  // A tile is never turned, so each direction of the canvas is one axis of the voxels.
  const [corner, right, below] = points;
  const perX = (right.canvas[0] - corner.canvas[0]) / (right.voxel[0] - corner.voxel[0]);
  const perY = (below.canvas[1] - corner.canvas[1]) / (below.voxel[1] - corner.voxel[1]);
  return (u, v) => [
    corner.canvas[0] + (u - corner.voxel[0]) * perX,
    corner.canvas[1] + (v - corner.voxel[1]) * perY,
  ];
}

// Draw the outlines of masks over all slices that NiiVue shows.
// masks: [{dims, voxels, lines (a cache), strokes: [{value, colour, dash}]}]
function drawOutlines(nv, canvas, masks) {
  canvas.width = nv.canvas.width;
  canvas.height = nv.canvas.height;
  const pen = canvas.getContext("2d");
  pen.lineWidth = 1.75 * (nv.canvas.width / nv.canvas.clientWidth);
  pen.lineJoin = "round";
  nv.screenSlices.forEach((tile, number) => {
    for (const mask of masks) {
      const place = placement(nv, tile, number, mask.dims);
      if (!place) continue;
      const length = mask.dims[PLANES[tile.axCorSag][2]];
      const index = Math.min(Math.max(Math.floor(tile.sliceFrac * length), 0), length - 1);
      const [left, top, width, height] = tile.leftTopWidthHeight;
      pen.save();
      pen.beginPath();
      pen.rect(left, top, width, height);
      pen.clip();
      for (const { value, colour, dash } of mask.strokes) {
        const key = `${tile.axCorSag} ${index} ${value}`;
        if (!mask.lines.has(key)) mask.lines.set(key, contours(mask, tile.axCorSag, index, value));
        pen.strokeStyle = colour;
        pen.setLineDash(dash.map((part) => part * pen.lineWidth));
        pen.beginPath();
        for (const line of mask.lines.get(key)) {
          line.forEach(([u, v], first) => pen[first ? "lineTo" : "moveTo"](...place(u, v)));
          pen.closePath();
        }
        pen.stroke();
      }
      pen.restore();
    }
  });
}
