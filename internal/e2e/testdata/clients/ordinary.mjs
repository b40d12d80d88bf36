// The ordinary things with fetch: ordinary.mjs ADDRESS.

const at = (target) => `http://${process.argv[2]}${target}`;
let count = 0;

function check(what, got, want) {
  count++;
  if (JSON.stringify(got) !== JSON.stringify(want)) {
    console.error(`${what}: ${JSON.stringify(got)}, want ${JSON.stringify(want)}`);
    process.exit(1);
  }
}

for (let i = 0; i < 50; i++) {
  const response = await fetch(at('/hello'));
  check('GET /hello', [response.status, (await response.text()).length], [200, 512]);
}
const many = await Promise.all(Array.from({length: 50}, async (_, i) => {
  const response = await fetch(at(`/profile/${i + 1}`), {headers: {Accept: 'application/json'}});
  return (await response.json()).member.id;
}));
check('50 at once', many, Array.from({length: 50}, (_, i) => i + 1));

let response = await fetch(at('/hello'), {method: 'HEAD'});
check('HEAD /hello', [response.status, response.headers.get('content-length'), await response.text()], [200, '512', '']);
response = await fetch(at('/nothing'));
check('GET /nothing', [response.status, 'error' in await response.json()], [404, true]);
response = await fetch(at('/echo'), {method: 'POST', body: 'käse'});
check('POST /echo', [response.status, (await response.json()).body], [200, 'käse']);
response = await fetch(at('/echo/digest'), {method: 'POST', body: new Blob([new Uint8Array(100_000)]).stream(), duplex: 'half'});
check('POST in chunks', [response.status, (await response.json()).bytes], [200, 100_000]);
const form = new FormData();
form.set('name', 'value');
response = await fetch(at('/echo'), {method: 'POST', body: form});
check('POST of a form', [response.status, (await response.json()).body.includes('name="name"')], [200, true]);
response = await fetch(at('/echo/bytes?n=3000000'));
check('GET /echo/bytes', [response.status, (await response.arrayBuffer()).byteLength], [200, 3_000_000]);
response = await fetch(at('/echo/stream?pieces=10&bytes=1000'));
check('GET /echo/stream', [response.status, (await response.arrayBuffer()).byteLength], [200, 10_000]);
response = await fetch(at('/echo?path=C:\\dir&q=ä b'));
check('a backslash and more in a query', [response.status, (await response.json()).query], [200, 'path=C:\\dir&q=%C3%A4%20b']);

response = await fetch(at('/profile/102'));
const tag = response.headers.get('etag');
check('GET /profile/102', [response.status, (await response.json()).member.id], [200, 102]);
response = await fetch(at('/profile/102'), {method: 'PUT', headers: {'If-Match': tag, 'Content-Type': 'application/json'}, body: '{"about":"by Node"}'});
check('PUT /profile/102', [response.status, (await response.json()).member.about], [200, 'by Node']);

const abort = new AbortController();
const given = fetch(at('/echo/sleep?ms=20000'), {signal: abort.signal});
setTimeout(() => abort.abort(), 100);
check('aborted', await given.then(() => 'answered', (e) => e.name), 'AbortError');
console.log(count, 'things done');
