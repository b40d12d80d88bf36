// A backend of nanofront in Node.js: change handle().
//
//     node handler.js tcp://127.0.0.1:7402 greeter greeter-js
'use strict'
const { serve } = require('./nanofront')

// Answers one request with { status, headers, body }, text, or an object as JSON; may be async.
// What it throws becomes a 500, and its line goes to the log. signal tells it that the caller has
// given up.
async function handle (request, signal) {
  if (request.path.endsWith('/fail')) throw new Error('asked to fail')
  const wait = Math.min(Number(new URLSearchParams(request.query).get('wait')) || 0, 5000)
  if (wait > 0) await new Promise(resolve => setTimeout(resolve, wait))
  const lines = [`${request.method} ${request.path}?${request.query} from ${request.client}`]
  for (const [name, value] of request.headers) lines.push(`${name}: ${value}`)
  return {
    status: 200,
    headers: [['content-type', 'text/plain; charset=utf-8'], ['x-handler', 'node']],
    body: Buffer.concat([Buffer.from(lines.join('\n') + '\n\n', 'latin1'), request.body])
  }
}

if (process.argv.length !== 5) {
  console.error('usage: node handler.js tcp://HOST:PORT|ipc:///PATH SERVICE INSTANCE')
  process.exit(2)
}
serve(handle, ...process.argv.slice(2))
