// Serves a handler on the bus, as docs/protocol.md says, without dependencies.
'use strict'
const fs = require('fs')
const inspector = require('inspector')
const net = require('net')
const { inspect } = require('util')
const { GREETING, MAX_MESSAGE, BATCH, Malformed, Cursor, uint, time, string, none, empty, frame, decode, response, encode } = require('./wire')
const { HELLO, REQUEST, RESPONSE, CANCEL, CREDIT, EVENT, DRAINING, PING, PONG } = require('./wire')
const { INTERNAL, OVER_WINDOW, EXPIRED, TOO_LARGE, MALFORMED, CANCELLED } = require('./wire')
const spans = require('./spans')

const WINDOW = 1024 // requests taken at once, divided among the callers: 1 to 65,536
const DRAIN = 10000 // ms that requests at work may take to finish after SIGTERM
const MAX_LINKS = 256
const helpers = [__filename, require.resolve('./spans'), require.resolve('./wire')]

// The file and line of a function, which only the inspector knows.
function place (f) {
  const session = new inspector.Session(), files = new Map(), key = '_nanofront_place'
  let found = f.name || 'the handler'
  session.connect()
  session.on('Debugger.scriptParsed', ({ params }) => files.set(params.scriptId, params.url.replace(/^file:\/\//, '')))
  session.post('Debugger.enable')
  globalThis[key] = f
  session.post('Runtime.evaluate', { expression: key }, (_, { result }) => {
    session.post('Runtime.getProperties', { objectId: result.objectId }, (_, { internalProperties = [] }) => {
      const at = internalProperties.find(p => p.name === '[[FunctionLocation]]')?.value.value
      if (at) found = `${files.get(at.scriptId)}:${at.lineNumber + 1}`
    })
  })
  delete globalThis[key]
  session.disconnect()
  return found
}

// An error, the author's file and line first.
function blame (server, e) {
  const calls = String(e?.stack).split('\n').filter(line => /^ +at .*:\d+:\d+\)?$/.test(line) && !/\bnode:|node_modules/.test(line))
  const own = calls.map(line => line.replace(/^ +at (.*\()?(file:\/\/)?/, '').replace(/(:\d+)?\)?$/, '')).find(at => !helpers.some(file => at.startsWith(file)))
  if (own) return `${own}: ${inspect(e)}`
  server.place ??= place(server.handle) // it returned what can't be sent, or threw what has no stack
  return `${server.place}: ${e instanceof Error ? e.message : 'threw ' + inspect(e)}`
}

// A connection with one caller.
class Link {
  constructor (server, socket) {
    Object.assign(this, { server, socket, got: [], size: 0, need: GREETING.length, jobs: new Set(), out: [] })
    Object.assign(this, { window: 0, seconds: 0, silent: 0, opened: false, greeted: false, calls: true, acked: false, topics: [] })
    socket.on('error', () => {}).on('close', () => server.closed(this)).on('drain', () => socket.resume())
    socket.on('data', data => {
      try {
        this.data(data)
      } catch (e) {
        if (!(e instanceof Malformed)) throw e
        console.error('link closed:', e.message)
        socket.destroy()
      }
    })
    socket.write(GREETING)
  }

  data (data) {
    const head = this.server.ipc ? 9 : 8
    this.got.push(data)
    this.size += data.length
    while (this.size >= this.need) { // joined only when what is needed next is there
      const all = this.got.length > 1 ? Buffer.concat(this.got) : this.got[0]
      let used = 0
      if (!this.opened) {
        if (!all.subarray(0, 8).equals(GREETING)) throw new Malformed("the peer doesn't speak SP's BUS")
        this.opened = true
        this.server.greet(this)
        used = 8
      } else if ((this.server.ipc && all[0] !== 1) || all.readBigUInt64BE(head - 8) > BigInt(MAX_MESSAGE)) {
        throw new Malformed('a message that is too large, or not SP')
      } else {
        const end = head + Number(all.readBigUInt64BE(head - 8))
        this.need = end
        if (this.size >= end) this.message(all.subarray(head, used = end))
      }
      if (used > 0) this.need = head
      this.got = [all.subarray(used)]
      this.size -= used
    }
    if (this.socket.writableNeedDrain) this.socket.pause() // who doesn't read isn't read
  }

  message (data) {
    this.silent = 0
    for (const c = new Cursor(data); c.at < data.length;) {
      const length = c.number(4), kind = c.number(1), flags = c.number(1), id = c.take(10).subarray(2)
      this.receive(kind, flags, id, new Cursor(c.take(length - 16)))
    }
  }

  receive (kind, flags, id, c) {
    if (kind === HELLO) {
      const version = c.number(2), traits = c.number(2)
      c.take(4)
      const names = [c.text(1), c.text(1), c.text(1)], topics = c.number(1)
      if (version !== 1 || topics > 64) throw new Malformed(`${names}: version ${version}, ${topics} topics`)
      this.topics = Array.from({ length: topics }, () => c.text(1))
      this.greeted = true
      this.calls = !(traits & 1)
      this.server.share()
    } else if (kind === REQUEST && this.greeted) {
      this.work({ id, received: Date.now(), arrived: performance.now(), budget: c.number(4) / 1000, gone: new AbortController() }, c)
    } else if (kind === EVENT) {
      if (this.server.recorder && c.text(1) === spans.KEEP) this.server.recorder.asked(c, this)
    } else if (kind === CANCEL) {
      for (const job of this.jobs) if (job.id.equals(id)) job.gone.abort()
    } else if (kind === DRAINING) {
      if (flags & 1) this.acked = true
      else this.send(frame(DRAINING, empty, none, 1))
    } else if (kind === PING) {
      this.send(frame(PONG, Buffer.concat([c.take(8), time(Date.now())])))
    } // All else is not for a handler, or of a later revision.
  }

  // Whatever becomes of a request, one response leaves.
  async work (job, c) {
    if (this.jobs.size >= WINDOW) return this.answer(job, job.arrived, OVER_WINDOW)
    this.jobs.add(job)
    await null // a cancel may stand behind it in the same message
    const began = performance.now()
    if (job.gone.signal.aborted) return this.answer(job, began, CANCELLED)
    if (began - job.arrived >= job.budget) return this.answer(job, began, EXPIRED)
    let request, payload
    try {
      request = decode(c)
    } catch (e) {
      return this.answer(job, began, MALFORMED)
    }
    job.span = this.server.recorder?.begin(request)
    const log = what => console.error(`${request.method} ${request.path}: ${what}`) // and not for the caller
    try {
      const answer = response(await this.server.handle(request, job.gone.signal))
      if (job.span) job.span.status = answer.status ?? 200
      payload = encode(answer)
    } catch (e) {
      log(blame(this.server, e))
      return this.answer(job, began, INTERNAL)
    }
    const large = payload.length > MAX_MESSAGE - 64
    if (large) log(`${this.server.place ??= place(this.server.handle)}: a response of ${payload.length} bytes, ${MAX_MESSAGE - 64} fit`)
    this.answer(job, began, large ? TOO_LARGE : 0, payload)
  }

  answer (job, began, code, payload) {
    this.jobs.delete(job)
    const queued = began - job.arrived, worked = performance.now() - began
    if (job.span) {
      Object.assign(job.span, { received: job.received, queued, worked }, code ? { status: 500 } : {})
      this.server.recorder.end(job.span)
    }
    const times = [time(job.received), uint(4, Math.round(queued * 1000)), uint(4, Math.round(worked * 1000))]
    const body = code ? Buffer.from([0, code, 0, 0]) : payload
    this.send(frame(RESPONSE, Buffer.concat([...times, body]), job.id, code ? 1 : 0))
  }

  // To a peer that wants it; a large one is of no use to it.
  publish (topic, payload) {
    if (this.topics.includes(topic) && payload.length < MAX_MESSAGE - 64) this.send(frame(EVENT, Buffer.concat([string(1, topic), payload])))
  }

  send (data) {
    if (this.out.length === 0) setImmediate(() => this.flush()) // what one turn sends leaves together
    this.out.push(data)
  }

  flush () {
    let parts = [], size = 0
    const write = () => {
      const head = Buffer.concat([Buffer.from(this.server.ipc ? [1] : []), uint(4, 0), uint(4, size)])
      this.socket.write(Buffer.concat([head, ...parts]))
    }
    for (const data of this.out) {
      if (size > 0 && size + data.length > BATCH) {
        write()
        parts = []
        size = 0
      }
      parts.push(data)
      size += data.length
    }
    write()
    this.out = []
  }
}

// Serves requests with handle(request, signal) until SIGTERM. It returns, or promises,
// { status, headers, body }, or what is to be the body with status 200: text, bytes, or an array or
// plain object, which is sent as JSON.
function serve (handle, address, service, instance) {
  const [, scheme, host, port, path] = /^(tcp|ipc):\/\/(?:\[?([^\]]*)\]?:(\d+)$|(\/.+))/.exec(address) || []
  if (!scheme || (scheme === 'ipc') !== (path !== undefined) || Buffer.byteLength(path || '') > 107) {
    console.error(`address ${address}: want tcp://HOST:PORT or ipc:///PATH, of at most 107 bytes`)
    process.exit(2)
  }
  for (const log of [process.stdout, process.stderr]) log.on('error', () => {}) // that nobody reads it any more ends nothing
  const links = new Set()
  const part = () => Math.max(1, Math.floor(WINDOW / Math.max(1, [...links].filter(link => link.calls).length)))
  const server = {
    handle,
    recorder: spans.recorder(service, instance),
    ipc: scheme === 'ipc',
    greet (link) {
      link.window = part()
      const names = [service, '', instance].map(name => string(1, name))
      const topics = server.recorder ? [uint(1, 1), string(1, spans.KEEP)] : [uint(1, 0)]
      link.send(frame(HELLO, Buffer.concat([uint(2, 1), uint(2, 0), uint(4, link.window), ...names, ...topics])))
    },
    share () { // the number of callers has changed
      for (const link of links) {
        if (!link.opened || !link.calls || link.window === part()) continue
        link.window = part()
        link.send(frame(CREDIT, uint(4, link.window)))
      }
    },
    closed (link) {
      links.delete(link)
      for (const job of link.jobs) job.gone.abort()
      server.share()
    }
  }
  const listener = net.createServer({ noDelay: true }, socket => {
    if (links.size >= MAX_LINKS) return socket.destroy()
    links.add(new Link(server, socket))
  })
  listener.on('error', e => { console.error(`can't listen on ${address}: ${e.message}`); process.exit(1) })
  if (server.ipc && fs.existsSync(path) && fs.statSync(path).isSocket()) fs.unlinkSync(path) // left by a process that died
  listener.listen(server.ipc ? { path } : { host, port }, () => console.log('serving'))

  setInterval(() => { // a ping, or the end of a link on which nothing came for five of them
    for (const link of links) {
      link.seconds++
      if (++link.silent > 5 || (link.seconds > 5 && !link.greeted)) link.socket.destroy()
      else if (link.greeted) link.send(frame(PING, time(Date.now())))
    }
    server.recorder?.post()
  }, 1000)

  let until = 0
  const end = () => {
    if (until) process.exit(1)
    until = Date.now() + DRAIN
    listener.close()
    for (const link of links) link.send(frame(DRAINING, empty))
    setInterval(() => {
      const busy = [...links].some(link => link.jobs.size || link.out.length || (link.greeted && link.calls && !link.acked))
      if (busy && Date.now() < until) return
      const sent = [...links].map(link => new Promise(resolve => link.socket.end(resolve)))
      sent.push(server.recorder?.post())
      Promise.race([Promise.all(sent), new Promise(resolve => setTimeout(resolve, 1000))]).then(() => process.exit(busy ? 1 : 0))
    }, 10)
  }
  process.on('SIGTERM', end).on('SIGINT', end)
}

module.exports = { serve }
