// Package leader has one process of several do what must not be done twice, by a lease in etcd.
//
//	l := leader.Stand(client, "statsd-merged", "dash-1", log)
//	defer l.Close(ctx)
//	if l.Held() { … } // asked again before each step
//
// Pitfall: who is stopped between Held and what it does then does it late. Ask as late as possible.
package leader
