// What the handler did for traced requests: docs/tracing.md, and the events in section 9 of docs/protocol.md.
'use strict'
const crypto = require('crypto')

const KEEP = 'nanofront.trace.keep'
const SPANS = 'nanofront.trace.spans'
const RING = 16384 // requests that are remembered, for whoever asks for the trace of one
const WANTED = 30000 // ms for which a trace that was asked for is waited for
const BATCH = 4096 // spans that wait for the collector; more are dropped
const PARENT = /^(?!ff)[0-9a-f]{2}-((?!0{32})[0-9a-f]{32})-((?!0{16})[0-9a-f]{16})-([0-9a-f]{2})(?=-|$)/

// A span as section 9 has it: the work on a request, and in it the wait for a worker. offset is in
// µs, null if it isn't known.
function parts (span, service, instance, offset) {
  const ns = ms => BigInt(Math.round(ms * 1e6))
  const start = BigInt(Math.round(span.received * 1000) - (offset || 0)) * 1000n, began = start + ns(span.queued)
  const facts = { 'http.request.method': span.method, 'http.response.status_code': span.status }
  if (offset === null) facts['nanofront.clock'] = 'unknown'
  const part = (BigInt.asUintN(64, BigInt('0x' + span.id) + 0x9E3779B97F4A7C15n) || 1n).toString(16).padStart(16, '0')
  return [
    { id: span.id, parent: span.parent, name: `${span.method} ${service}`, start, end: began + ns(span.worked), error: span.status >= 500, facts },
    { id: part, parent: span.id, name: 'handler_queue', start, end: began, error: false, facts: {} }
  ].map(s => ({ ...s, trace: span.trace, instance }))
}

// As the bus has it. Times have more digits than a number.
const reported = s => `{"trace_id":"${s.trace}","span_id":"${s.id}","parent_span_id":"${s.parent}","instance":${JSON.stringify(s.instance)},` +
  `"name":${JSON.stringify(s.name)},"start_unix_ns":${s.start},"end_unix_ns":${s.end},"error":${s.error},"attributes":${JSON.stringify(s.facts)}}`

class Recorder {
  constructor (url, service, instance) {
    this.url = new URL(url)
    if (this.url.pathname === '/') this.url.pathname = '/v1/traces'
    Object.assign(this, { service, instance, ring: [], next: 0, wanted: new Map(), out: [], posting: false, failed: false })
  }

  // The span of a request that is traced. The handler finds it in traceparent.
  begin (request) {
    const found = request.headers.filter(([name]) => name === 'traceparent')
    const m = found.length === 1 && PARENT.exec(found[0][1])
    if (!m || (found[0][1].length > 55 && found[0][1].startsWith('00'))) return null
    const span = { trace: m[1], parent: m[2], id: crypto.randomBytes(8).toString('hex'), sampled: parseInt(m[3], 16) & 1, method: request.method, status: 0 }
    found[0][1] = `00-${span.trace}-${span.id}-0${span.sampled}`
    return span
  }

  end (span) {
    this.ring[this.next++ % RING] = span
    if (span.sampled) this.export(span, 0)
    else if (this.wanted.has(span.trace)) this.give(span)
  }

  // An event of KEEP: c is behind its topic.
  asked (c, link) {
    const report = c.number(1) & 1, now = performance.now(), news = new Set()
    for (const [trace, want] of this.wanted) {
      if (want.until > now) break // they are in the order of their times
      this.wanted.delete(trace)
    }
    while (c.data.length - c.at >= 33) {
      const trace = c.take(16).toString('hex'), offset = c.take(16).readBigInt64BE(8), name = c.text(1)
      if (this.wanted.has(trace) || this.wanted.size >= 4096) continue
      const known = name === this.instance && offset !== -(2n ** 63n)
      this.wanted.set(trace, { until: now + WANTED, offset: known ? Number(offset) : null, link: report ? link : null })
      news.add(trace)
    }
    if (news.size) for (const span of this.ring) if (news.has(span.trace)) this.give(span)
  }

  give (span) {
    if (span.sent) return
    const { offset, link } = this.wanted.get(span.trace)
    if (!link) return this.export(span, offset)
    span.sent = true
    link.publish(SPANS, Buffer.from(`[${parts(span, this.service, this.instance, offset).map(reported)}]`))
  }

  export (span, offset) {
    span.sent = true
    if (this.out.length < BATCH) this.out.push(...parts(span, this.service, this.instance, offset))
  }

  // Takes the spans that have gathered to the collector, as OTLP in JSON. What it doesn't take is lost.
  async post () {
    if (this.posting || !this.out.length) return
    const list = this.out
    this.out = []
    this.posting = true
    const attributes = facts => Object.entries(facts).map(([key, v]) => ({ key, value: typeof v === 'number' ? { intValue: String(v) } : { stringValue: v } }))
    const spans = list.map(s => ({
      traceId: s.trace, spanId: s.id, parentSpanId: s.parent, name: s.name, kind: s.name === 'handler_queue' ? 1 : 2, startTimeUnixNano: String(s.start),
      endTimeUnixNano: String(s.end), attributes: attributes(s.facts), status: s.error ? { code: 2 } : {}
    }))
    const resource = { attributes: attributes({ 'service.name': this.service, 'service.instance.id': this.instance }) }
    const body = JSON.stringify({ resourceSpans: [{ resource, scopeSpans: [{ scope: { name: 'nanofront' }, spans }] }] })
    try {
      const pairs = (process.env.OTEL_EXPORTER_OTLP_HEADERS || '').split(',').filter(pair => pair.includes('='))
      const extra = pairs.map(pair => [pair.slice(0, pair.indexOf('=')).trim(), decodeURIComponent(pair.slice(pair.indexOf('=') + 1).trim())])
      const r = await fetch(this.url, { method: 'POST', body, headers: { ...Object.fromEntries(extra), 'content-type': 'application/json' }, signal: AbortSignal.timeout(5000) })
      await r.arrayBuffer()
      if (!r.ok) throw new Error(`status ${r.status}`)
      this.failed = false
    } catch (e) {
      if (!this.failed) console.error(`spans are lost: ${this.url}: ${e.cause?.message ?? e.message}`)
      this.failed = true
    }
    this.posting = false
  }
}

// One if NANOFRONT_TRACE_OTLP names a collector.
function recorder (service, instance) {
  const url = process.env.NANOFRONT_TRACE_OTLP
  return url ? new Recorder(url, service, instance) : null
}

module.exports = { KEEP, recorder }
