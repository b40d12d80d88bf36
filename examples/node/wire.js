// Frames and HTTP as bytes: sections 1, 2 and 12 of docs/protocol.md.
'use strict'

const GREETING = Buffer.from('\0SP\0\0\x70\0\0', 'latin1')
const MAX_MESSAGE = 1 << 20
const BATCH = 60 << 10 // where frames that leave together are cut into messages
const kinds = { HELLO: 1, REQUEST: 2, RESPONSE: 3, CANCEL: 5, CREDIT: 6, DRAINING: 8, PING: 9, PONG: 10 }
const codes = { INTERNAL: 1, OVER_WINDOW: 3, EXPIRED: 4, TOO_LARGE: 6, MALFORMED: 7, CANCELLED: 8 }

class Malformed extends Error {}

// Takes fields off a buffer, and never more than there are.
class Cursor {
  constructor (data) { this.data = data; this.at = 0 }
  take (n) {
    if (n < 0 || n > this.data.length - this.at) throw new Malformed(`a field of ${n} bytes where ${this.data.length - this.at} are left`)
    this.at += n
    return this.data.subarray(this.at - n, this.at)
  }

  number (size) { return this.take(size).readUIntBE(0, size) }
  bytes (size) { return this.take(this.number(size)) }
  text (size) { return this.bytes(size).toString('latin1') }
}

const uint = (size, value) => { const b = Buffer.alloc(size); b.writeUIntBE(value, 0, size); return b }
const time = ms => { const b = Buffer.alloc(8); b.writeBigUInt64BE(BigInt(Math.round(ms * 1000))); return b } // in µs
const string = (size, data) => { const b = Buffer.from(data, 'latin1'); return Buffer.concat([uint(size, b.length), b]) }
const none = Buffer.alloc(8)
const empty = Buffer.alloc(0)

function frame (kind, body, id = none, flags = 0) {
  return Buffer.concat([uint(4, 16 + body.length), Buffer.from([kind, flags, 0, 0]), id, body])
}

// Section 12. Text has a character for each byte.
function decode (c) {
  const [method, scheme, host, path, query, client] = [1, 1, 2, 2, 2, 1].map(size => c.text(size))
  const count = c.number(2)
  if (count > 256) throw new Malformed(`${count} header fields`)
  const headers = []
  for (let i = 0; i < count; i++) headers.push([c.text(1), c.text(2)])
  return { method, scheme, host, path, query, client, headers, body: c.bytes(4) }
}

function encode ({ status = 200, headers = [], body = '' }) {
  if (!(status >= 200 && status <= 599) || headers.length > 256 || headers.some(([name]) => !name)) {
    throw new RangeError(`status ${status}, ${headers.length} fields: want 200 to 599, at most 256, each with a name`)
  }
  const content = Buffer.from(body)
  const fields = headers.flatMap(([name, value]) => [string(1, name.toLowerCase()), string(2, String(value))])
  return Buffer.concat([uint(2, status), uint(2, headers.length), ...fields, uint(4, content.length), content])
}

module.exports = { GREETING, MAX_MESSAGE, BATCH, ...kinds, ...codes, Malformed, Cursor, uint, time, string, none, empty, frame, decode, encode }
