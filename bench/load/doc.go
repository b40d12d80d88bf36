// Package load generates HTTP/1.1 load and measures what comes back.
//
//	r, err := load.Run(ctx, load.Options{URL: "http://127.0.0.1:8080/profile/1", Rate: 50_000, Duration: 30 * time.Second}, nil)
//	if err != nil {
//		return err
//	}
//	fmt.Println(r.Latency.ValueAtQuantile(99), "µs")
//
// # Open and closed loop
//
// In an open loop requests leave at planned times, whatever the answers do:
//
//	plan     |  |  |  |  |  |  |  |  |  |        constant: evenly
//	sent     |  |  |  |           ||||||  |      the server stalled; all connections were busy
//	                  ├─ latency ─┤ ├ service
//
// Latency counts from the planned time, service time from when the request was
// sent. A request that finds all connections busy waits, and its latency counts
// on: leaving that wait out is what is called coordinated omission, and hides
// a stall of a second in a single slow answer for each connection. What was not
// sent when the plan ended is [Result].Unsent, what left late [Result].Late.
//
// In a closed loop (no Rate, no Stages) each connection sends as soon as it has its answer, as wrk
// does. It says how much a server can do, and nothing about what users would see.
//
// # How it works
//
// Each worker is one thread with its own connections, its own share of the
// plan and its own histograms; workers share nothing while they run. On Linux a worker
// is a loop around epoll_pwait2 with requests formatted beforehand, a parser that doesn't
// allocate, and no goroutine, timer or lock for a request: on a machine that
// it shares with what it measures, that is a question of being right, not only of being fast.
// Elsewhere, and with Options.Portable, the same worker runs on poll(2).
//
// # Pitfalls
//
//   - A connection that is closed by the server between two requests is opened again without a word
//     ([Result].Reopened); one that is closed with a request on it fails that request. Nothing is ever sent twice.
//   - A request that opens a connection has the time for that in its service time.
//   - Histograms of latency have what was answered as expected; what failed has its own.
package load
