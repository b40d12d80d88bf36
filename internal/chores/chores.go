// Package chores has what a process does now and then done at the same moments.
//
// Each time that an idle process wakes it switches threads about four times: the
// runtime's poller, its monitor, and a thread that looks for more work. Chores once
// a second, each at a moment of its own, cost that each; at one moment they cost it
// once. The moments count from the start of the process, so that those of different
// processes, which would all ask one etcd, fall apart.
//
//	timer := time.NewTimer(chores.Next(time.Second))
//	for {
//		<-timer.C
//		…
//		timer.Reset(chores.Next(time.Second))
//	}
package chores

import "time"

var began = time.Now()

// Next is how long it is until the next moment of chores that are done at every,
// which is positive.
func Next(every time.Duration) time.Duration {
	since := time.Since(began) % every
	if since < 0 { // the time is that of a test's bubble
		since += every
	}
	return every - since
}
