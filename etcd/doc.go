// Package etcd is discovery on etcd: who is alive, where, and which routes
// hold. It is the only package that imports etcd's modules (with its
// sub-package embedded, the server).
//
//	c, err := etcd.Open(ctx, etcd.Options{Endpoints: []string{"http://127.0.0.1:2379"}, Logger: log})
//	if err != nil { … } // options only: an etcd that is down is no error
//	defer c.Close()
//
//	reg, err := c.Register(ctx, instance) // returns at once
//	<-reg.Ready()
//	defer reg.Close(ctx)
//
//	err = c.Watch(ctx, func(s registry.Snapshot) { table.Store(s) })
//
// # What lies in etcd
//
//	/nanofront/v1/instances/SERVICE/ID   JSON of registry.Instance, on a lease
//	/nanofront/v1/routes                 JSON or YAML of registry.Routes
//	/nanofront/v1/terminators/ID         JSON of registry.Terminator, on a lease
//
// # What holds when etcd fails
//
// No request waits for etcd: while it is away, the last
// snapshot stays in force, and nothing is called back. Registrations and
// watches come back by themselves, for ever, also when etcd returns without
// its data or with older data. What a re-read doesn't show any more is believed only
// after a lease's life: after a loss of data the instances need a moment to
// register again, and they are alive all the while.
//
// # Pitfalls
//
// A context passed to Register bounds nothing but the call itself, which
// doesn't wait; a registration lives until Close. Watch blocks and calls back
// from its own goroutine: a slow callback delays later snapshots, of which
// only the newest state is delivered.
package etcd
