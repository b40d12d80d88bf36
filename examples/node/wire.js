// Frames and HTTP as bytes: sections 1, 2 and 12 of docs/protocol.md.
'use strict'
const { inspect } = require('util')

const GREETING = Buffer.from('\0SP\0\0\x70\0\0', 'latin1')
const MAX_MESSAGE = 1 << 20
const BATCH = 60 << 10 // where frames that leave together are cut into messages
const kinds = { HELLO: 1, REQUEST: 2, RESPONSE: 3, CANCEL: 5, CREDIT: 6, EVENT: 7, DRAINING: 8, PING: 9, PONG: 10 }
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
  const request = { method, scheme, host, path, query, client, headers, body: c.bytes(4), revision: 0, version: '', variants: {} }
  if (c.data.length - c.at < 10) return request // whole, load, and the length of a version
  c.take(9)
  request.version = c.text(1)
  c = new Cursor(c.bytes(2))
  request.revision = c.number(4) * 2 ** 32 + c.number(4)
  c.take(1)
  for (let i = c.number(1); i > 0; i--) { // services, for whoever calls them
    c.text(1)
    for (let k = c.number(1); k > 0; k--) c.text(1)
  }
  for (let i = c.number(1); i > 0; i--) {
    const experiment = c.text(1)
    request.variants[experiment] = c.text(1)
  }
  return request
}

// What a handler returned, as { status, headers, body }. An object with one of these keys is a
// response and may have no others; all else is a body.
function response (answer) {
  const keys = ['status', 'headers', 'body']
  if (answer === undefined || answer === null) throw new TypeError(`returned ${answer}: want a response, text, bytes, an array or a plain object`)
  if (typeof answer !== 'object' || !keys.some(key => key in answer)) return { body: answer }
  const other = Object.keys(answer).find(key => !keys.includes(key))
  if (other !== undefined) throw new TypeError(`returned a response with the key ${short(other)}: to send the whole object as JSON, return it as { body }`)
  return answer
}

const short = value => {
  const text = inspect(value, { depth: 0, breakLength: Infinity })
  return text.length > 60 ? text.slice(0, 57) + '...' : text
}

// The content-type that a body implies, and its bytes.
function content (body) {
  if (body === undefined || body === null) return ['', empty]
  if (typeof body === 'string') return ['text/plain; charset=utf-8', Buffer.from(body)]
  if (body instanceof Uint8Array || body instanceof ArrayBuffer) return ['', Buffer.from(body)]
  if (Array.isArray(body) || (typeof body === 'object' && [Object.prototype, null].includes(Object.getPrototypeOf(body)))) {
    return ['application/json', Buffer.from(JSON.stringify(body))]
  }
  throw new TypeError(`a body ${short(body)}: want text, bytes, an array or a plain object`)
}

// A header field, its name in lower case.
function field (pair) {
  let [name, value] = Array.isArray(pair) ? pair : []
  if (typeof value === 'number') value = String(value)
  const fits = (text, least, most) => typeof text === 'string' && text.length >= least && text.length <= most && !/[^\0-\xff]/.test(text)
  if (!fits(name, 1, 255) || !fits(value, 0, 65535)) {
    throw new TypeError(`header field ${short(pair)}: want a name and a value, Latin-1 text of 1 to 255 and up to 65,535 characters`)
  }
  return [name.toLowerCase(), value]
}

function encode ({ status = 200, headers = [], body }) {
  if (!Number.isInteger(status) || status < 200 || status > 599) throw new RangeError(`status ${short(status)}: want a number from 200 to 599`)
  const [kind, data] = content(body)
  const pairs = [...(Symbol.iterator in Object(headers) ? headers : Object.entries(headers))].map(field)
  if (kind && !pairs.some(([name]) => name === 'content-type')) pairs.push(['content-type', kind])
  if (pairs.length > 256) throw new RangeError(`${pairs.length} header fields: at most 256 fit`)
  const fields = pairs.flatMap(([name, value]) => [string(1, name), string(2, value)])
  return Buffer.concat([uint(2, status), uint(2, pairs.length), ...fields, uint(4, data.length), data])
}

module.exports = { GREETING, MAX_MESSAGE, BATCH, ...kinds, ...codes, Malformed, Cursor, uint, time, string, none, empty, frame, decode, response, encode }
