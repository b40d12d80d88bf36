// For the reference StatsD server (npm statsd 0.9): node stats.js config.js
{
  // What nanofront's --statsd names; 0.0.0.0 for other machines.
  address: process.env.STATSD_ADDRESS || "127.0.0.1",
  port: 8125,
  mgmt_address: "127.0.0.1",
  mgmt_port: 8126,

  graphiteHost: process.env.GRAPHITE_HOST || "127.0.0.1",
  graphitePort: 2003,
  backends: ["./backends/graphite"],

  // nanofront reports at a divisor of this (--statsd-flush, --statsd-interval).
  flushInterval: 10000,

  // What isn't heard from is a gap: not its last value, nor 0. A killed process, and a service
  // without requests, would else look alive, or fast.
  deleteIdleStats: true,

  graphite: {
    // stats.counters.NAME.count, stats.gauges.NAME: what the dashboards name.
    legacyNamespace: false,
  },

  // The server's own books: stats.counters.statsd.metrics_received.count is how many lines it has
  // had, to be compared with statsd.sent of all processes.
  prefixStats: "statsd",

  // Only of --statsd-sample: one percentile of each timer.
  percentThreshold: [99],
}
