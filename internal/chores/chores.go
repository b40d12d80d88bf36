// Package chores has what a process does now and then done at the same moments.
//
// Each time that an idle process wakes it switches threads about four times: the
// runtime's poller, its monitor, and a thread that looks for more work. Chores once
// a second, each at a moment of its own, cost that each; at one moment they cost it
// once. The moments count from the start of the process, so that those of different
// processes, which would all ask one etcd, fall apart. They keep away from the clock's
// full seconds, at which others cut their time: a StatsD server its flushes.
//
//	timer := time.NewTimer(chores.Next(time.Second))
//	for {
//		<-timer.C
//		…
//		timer.Reset(chores.Next(time.Second))
//	}
package chores

import "time"

var began = offSeconds(time.Now())

// offSeconds moves a time by up to 0.2 s, so that it lies from 0.2 to 0.9 within its second.
func offSeconds(t time.Time) time.Time {
	within := time.Duration(t.Nanosecond())
	return t.Add(200*time.Millisecond + within*7/10 - within)
}

// Next is how long it is until the next moment of chores that are done at every,
// which is positive.
func Next(every time.Duration) time.Duration {
	since := time.Since(began) % every
	if since < 0 { // the time is that of a test's bubble
		since += every
	}
	return every - since
}
