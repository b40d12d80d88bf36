// What a client may write beyond the ordinary, with Node's http: grammar.mjs ADDRESS.

import http from 'node:http';

const [host, port] = process.argv[2].split(':');
const agent = new http.Agent({keepAlive: true, maxSockets: 1});
let count = 0;

function check(what, got, want) {
  count++;
  if (JSON.stringify(got) !== JSON.stringify(want)) {
    console.error(`${what}: ${JSON.stringify(got)}, want ${JSON.stringify(want)}`);
    process.exit(1);
  }
}

// ask sends a request, with the given trailers behind the body, and reads the response.
function ask(options, body, trailers) {
  return new Promise((resolve, reject) => {
    const request = http.request({host, port, agent, ...options}, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (s) => { text += s; }).on('error', reject);
      response.on('end', () => resolve({status: response.statusCode, headers: response.headers, text, reused: request.reusedSocket}));
    });
    request.on('error', reject);
    for (const piece of body ?? []) {
      request.write(piece);
    }
    if (trailers) {
      request.addTrailers(trailers);
    }
    request.end();
  });
}

let got = await ask({path: '/hello'});
check('GET', [got.status, got.text.length], [200, 512]);

got = await ask({method: 'POST', path: '/echo', headers: {Trailer: 'X-Sum, Content-Length'}}, ['one ', 'two'], {'X-Sum': '7', 'Content-Length': '1', 'X-Forwarded-For': '6.6.6.6'});
let seen = JSON.parse(got.text);
check('trailers', [got.status, seen.body, seen.headers['x-sum'], seen.headers['x-forwarded-for']], [200, 'one two', undefined, ['127.0.0.1']]);
got = await ask({path: '/hello'});
check('the request after it', [got.status, got.text.length, got.reused], [200, 512, true]);

got = await ask({method: 'OPTIONS', path: '*'});
check('OPTIONS *', [got.status, got.text, got.headers['content-length'], got.reused], [200, '', '0', true]);

got = await ask({path: 'http://LOCALHOST:80/echo', headers: {Host: 'localhost'}});
check('an absolute target', [got.status, JSON.parse(got.text).host], [200, 'LOCALHOST:80']);

got = await ask({path: '/echo', headers: {
  'X-Forwarded-For': '6.6.6.6', 'X-Forwarded-Port': '1', 'X-Forwarded-User': 'root', 'X_Forwarded_For': '6.6.6.6', 'X-Real-IP': '6.6.6.6', Forwarded: 'for=6.6.6.6',
}});
seen = JSON.parse(got.text);
check('a stranger\'s word', [seen.client, seen.headers['x-real-ip'], Object.keys(seen.headers).filter((n) => n.includes('forward')).sort()],
  ['127.0.0.1', ['6.6.6.6'], ['x-forwarded-for', 'x-forwarded-host', 'x-forwarded-proto']]);

got = await ask({path: '/echo', headers: {Connection: 'Upgrade', Upgrade: 'websocket', 'Sec-WebSocket-Version': '13', 'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ=='}});
check('WebSocket', [got.status, got.headers.upgrade], [200, undefined]);

const fields = Object.fromEntries(Array.from({length: 101}, (_, i) => [`X-${i}`, 'y']));
got = await ask({path: '/hello', headers: fields});
check('too many fields', [got.status, JSON.parse(got.text).error], [431, 'too many header fields']);
got = await ask({method: 'HEAD', path: '/hello', headers: fields});
check('too many fields, HEAD', [got.status, got.text, got.headers['content-length'] > 0], [431, '', true]);
got = await ask({path: '/hello'});
check('after the refusals', [got.status, got.reused], [200, false]);

agent.destroy();
console.log(count, 'things done');
