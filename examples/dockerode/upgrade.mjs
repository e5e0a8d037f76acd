#!/usr/bin/env node
// Upgrades a container with dockerode, and prints each step as it comes.
//
//   npm ci
//   node upgrade.mjs CONTAINER IMAGE [PATCH]
//
// PATCH is a JSON object of the shape of `POST /containers/create`, merged over the container's
// configuration, as '{"Env": ["LEVEL=debug"]}'. DOCKER_HOST is Refit's address, as
// unix:///run/refit/docker.sock. Exit code 1: not upgraded, and the last line says why.

import { promisify } from 'node:util';
import Docker from 'dockerode';

// Upgrades a container and returns the answer; each line of progress is handed to `onStep`. An error
// has the message, and as `rollback` what became of the container: "not needed" (it was not
// touched), "restored" or "incomplete".
async function upgrade(docker, container, patch, onStep = () => {}) {
  const dial = promisify(docker.modem.dial.bind(docker.modem));
  const stream = await dial({
    path: `/containers/${encodeURIComponent(container)}/upgrade?`,
    method: 'POST',
    options: { _query: { stream: true }, _body: patch },
    isStream: true,
    statusCodes: { 200: true },
  });
  const lines = await new Promise((resolve, reject) => {
    docker.modem.followProgress(stream, (error, lines) => (error ? reject(error) : resolve(lines)), onStep);
  });
  const last = lines.at(-1) ?? {};
  if (last.aux) return last.aux;
  // Without a last line, GET /containers/{id}/upgrade tells how it ended.
  const { message, Rollback } = last.errorDetail ?? { message: 'the answer has no end' };
  throw Object.assign(new Error(message), { rollback: Rollback });
}

function show(line) {
  if (line.status) console.log(['id', 'status', 'progress'].map((key) => line[key]).filter(Boolean).join(' '));
}

const [container, image, patch = '{}'] = process.argv.slice(2);
if (!image) {
  console.error('usage: upgrade.mjs CONTAINER IMAGE [PATCH]');
  process.exit(64);
}
try {
  // Without arguments, it goes where DOCKER_HOST says.
  const done = await upgrade(new Docker(), container, { ...JSON.parse(patch), Image: image }, show);
  for (const warning of done.Warnings) console.error(`warning: ${warning}`);
  console.log(`${done.Name} is ${done.Image} now, down for ${(done.Downtime / 1e9).toFixed(1)} s`);
} catch ({ message, rollback }) {
  console.error(`not upgraded: ${message}${rollback ? ` (rollback: ${rollback})` : ''}`);
  process.exit(1);
}
