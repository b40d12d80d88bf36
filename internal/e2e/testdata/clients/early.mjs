// Uploads with fetch: early.py, in JavaScript.

import {createInterface} from 'node:readline';

const piece = new Uint8Array(65536);

function* pieces(n) {
  for (; n > 0; n -= piece.length) yield piece.subarray(0, Math.min(n, piece.length));
}

async function upload(address, method, target, n, how) {
  const init = {method, signal: AbortSignal.timeout(60_000)};
  if (how === 'chunked') {
    const from = pieces(n);
    init.body = new ReadableStream({
      pull(to) {
        const {done, value} = from.next();
        if (done) to.close(); else to.enqueue(value.slice());
      },
    });
    init.duplex = 'half';
  } else {
    init.body = new Uint8Array(n);
  }
  try {
    const response = await fetch(`http://${address}${target}`, init);
    await response.arrayBuffer();
    return response.status;
  } catch (e) {
    return `${e}: ${e.cause}`;
  }
}

for await (const line of createInterface({input: process.stdin})) {
  const [method, target, n, how] = line.split(' ');
  console.log(await upload(process.argv[2], method, target, Number(n), how));
}
