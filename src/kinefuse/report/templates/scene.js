"use strict";
// Drawing: a small WebGL scene (skinned surface, floor, cameras), and ink on top (skeleton, points, names).
kinefuse.linear = (() => {
  const perspective = (fov, aspect, near, far) => {
    const f = 1 / Math.tan(fov / 2);
    return [f / aspect, 0, 0, 0, 0, f, 0, 0, 0, 0, (far + near) / (near - far), -1, 0, 0, (2 * far * near) / (near - far), 0];
  };
  const sub = (a, b) => [a[0] - b[0], a[1] - b[1], a[2] - b[2]];
  const dot = (a, b) => a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
  const cross = (a, b) => [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]];
  const unit = (a) => { const n = Math.hypot(...a) || 1; return [a[0] / n, a[1] / n, a[2] / n]; };
  const lookAt = (eye, target) => {
    const z = unit(sub(eye, target)), x = unit(cross([0, 1, 0], z)), y = cross(z, x);
    return [x[0], y[0], z[0], 0, x[1], y[1], z[1], 0, x[2], y[2], z[2], 0, -dot(x, eye), -dot(y, eye), -dot(z, eye), 1];
  };
  const multiply = (a, b) => { // column-major
    const out = new Array(16);
    for (let c = 0; c < 4; c++) for (let r = 0; r < 4; r++) {
      out[4 * c + r] = a[r] * b[4 * c] + a[4 + r] * b[4 * c + 1] + a[8 + r] * b[4 * c + 2] + a[12 + r] * b[4 * c + 3];
    }
    return out;
  };
  const quaternionRows = (w, x, y, z) => [
    1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y),
    2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x),
    2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)];
  return { perspective, lookAt, multiply, quaternionRows, sub, cross, unit };
})();

kinefuse.Surface = class {
  static VERTEX = `
    attribute vec3 position, normal; attribute vec4 segments, weights;
    uniform vec4 rows[66]; uniform float states[22]; uniform mat4 camera;
    varying vec3 shade; varying float filled, guessed, known;
    void main() {
      vec3 p = vec3(0.), n = vec3(0.); filled = 0.; guessed = 0.; known = 1.;
      for (int i = 0; i < 4; i++) {
        int s = int(segments[i] + .5); float w = weights[i];
        vec4 a = rows[3 * s], b = rows[3 * s + 1], c = rows[3 * s + 2];
        p += w * vec3(dot(a, vec4(position, 1.)), dot(b, vec4(position, 1.)), dot(c, vec4(position, 1.)));
        n += w * vec3(dot(a.xyz, normal), dot(b.xyz, normal), dot(c.xyz, normal));
        if (states[s] > 2.5) known -= w;
        else if (states[s] > 1.5) guessed += w;
        else if (states[s] > .5) filled += w;
      }
      shade = n; gl_Position = camera * vec4(p, 1.);
    }`;
  static FRAGMENT = `
    precision mediump float; uniform vec3 eye; varying vec3 shade; varying float filled, guessed, known;
    void main() {
      if (known < .6) discard;
      float raster = mod(floor(gl_FragCoord.x / 2.) + floor(gl_FragCoord.y / 2.), 2.);
      if (guessed > .5 && raster > .5) discard;
      vec3 n = normalize(shade);
      if (!gl_FrontFacing) n = -n;
      float light = .55 + .25 * n.y + .38 * max(dot(n, eye), 0.);
      vec3 colour = mix(vec3(.74, .80, .87), vec3(.96, .80, .30), clamp(filled, 0., 1.));
      colour = mix(colour, vec3(.62, .62, .66), clamp(guessed, 0., 1.));
      gl_FragColor = vec4(colour * min(light, 1.1), 1.);
    }`;

  constructor(gl, surface) {
    this.gl = gl;
    this.program = kinefuse.program(gl, this.constructor.VERTEX, this.constructor.FRAGMENT);
    const vertices = new Float32Array(kinefuse.bytes(surface.vertices));
    const faces = new Uint16Array(kinefuse.bytes(surface.faces));
    this.count = faces.length;
    this.indices = gl.createBuffer();
    gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, this.indices);
    gl.bufferData(gl.ELEMENT_ARRAY_BUFFER, faces, gl.STATIC_DRAW);
    this.attributes = [
      ["position", vertices, 3],
      ["normal", this.constructor.normals(vertices, faces), 3],
      ["segments", Float32Array.from(new Uint8Array(kinefuse.bytes(surface.segments))), 4],
      ["weights", new Float32Array(kinefuse.bytes(surface.weights)), 4],
    ].map(([name, values, size]) => {
      const buffer = gl.createBuffer();
      gl.bindBuffer(gl.ARRAY_BUFFER, buffer);
      gl.bufferData(gl.ARRAY_BUFFER, values, gl.STATIC_DRAW);
      return { buffer, size, place: gl.getAttribLocation(this.program, name) };
    });
  }

  static normals(vertices, faces) {
    const normals = new Float32Array(vertices.length), at = (i) => [...vertices.subarray(3 * i, 3 * i + 3)];
    const { sub, cross } = kinefuse.linear;
    for (let f = 0; f < faces.length; f += 3) {
      const [a, b, c] = [at(faces[f]), at(faces[f + 1]), at(faces[f + 2])], n = cross(sub(b, a), sub(c, a));
      for (let k = 0; k < 3; k++) for (let d = 0; d < 3; d++) normals[3 * faces[f + k] + d] += n[d];
    }
    return normals;
  }

  draw(camera, pose, eye) {
    const gl = this.gl, place = (name) => gl.getUniformLocation(this.program, name);
    gl.useProgram(this.program);
    gl.uniformMatrix4fv(place("camera"), false, camera);
    gl.uniform4fv(place("rows"), pose.rows);
    gl.uniform3fv(place("eye"), eye);
    gl.uniform1fv(place("states"), pose.states);
    for (const { buffer, size, place: at } of this.attributes) {
      gl.bindBuffer(gl.ARRAY_BUFFER, buffer);
      gl.enableVertexAttribArray(at);
      gl.vertexAttribPointer(at, size, gl.FLOAT, false, 0, 0);
    }
    gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, this.indices);
    gl.drawElements(gl.TRIANGLES, this.count, gl.UNSIGNED_SHORT, 0);
    this.attributes.forEach(({ place: at }) => gl.disableVertexAttribArray(at));
  }
};

kinefuse.Lines = class {
  static VERTEX = "attribute vec3 position; uniform mat4 camera; void main() { gl_Position = camera * vec4(position, 1.); }";
  static FRAGMENT = "precision mediump float; uniform vec3 colour; void main() { gl_FragColor = vec4(colour, 1.); }";

  constructor(gl, points, colour) {
    this.gl = gl;
    this.program = kinefuse.program(gl, this.constructor.VERTEX, this.constructor.FRAGMENT);
    this.count = points.length;
    this.colour = colour;
    this.buffer = gl.createBuffer();
    gl.bindBuffer(gl.ARRAY_BUFFER, this.buffer);
    gl.bufferData(gl.ARRAY_BUFFER, new Float32Array(points.flat()), gl.STATIC_DRAW);
  }

  draw(camera) {
    const gl = this.gl, at = gl.getAttribLocation(this.program, "position");
    gl.useProgram(this.program);
    gl.uniformMatrix4fv(gl.getUniformLocation(this.program, "camera"), false, camera);
    gl.uniform3fv(gl.getUniformLocation(this.program, "colour"), this.colour);
    gl.bindBuffer(gl.ARRAY_BUFFER, this.buffer);
    gl.enableVertexAttribArray(at);
    gl.vertexAttribPointer(at, 3, gl.FLOAT, false, 0, 0);
    gl.drawArrays(gl.LINES, 0, this.count);
    gl.disableVertexAttribArray(at);
  }
};

kinefuse.program = (gl, vertex, fragment) => {
  const program = gl.createProgram();
  for (const [kind, source] of [[gl.VERTEX_SHADER, vertex], [gl.FRAGMENT_SHADER, fragment]]) {
    const shader = gl.createShader(kind);
    gl.shaderSource(shader, source);
    gl.compileShader(shader);
    if (!gl.getShaderParameter(shader, gl.COMPILE_STATUS)) throw new Error(gl.getShaderInfoLog(shader));
    gl.attachShader(program, shader);
  }
  gl.linkProgram(program);
  if (!gl.getProgramParameter(program, gl.LINK_STATUS)) throw new Error(gl.getProgramInfoLog(program));
  return program;
};
