// Package etcd is discovery on etcd: which instances are alive, where, and which routes are in
// force. It is the only package that imports etcd's modules (with its sub-package embedded, the
// server).
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
//	/nanofront/v1/processes/KIND/…/NAME  JSON of registry.Process, on a lease
//	/nanofront/v1/leaders/WHAT           name of the process that does it, on a lease
//
// # What holds when etcd fails
//
// No request waits for etcd: while it is away, the last snapshot stays in force, and nothing is
// called back. Registrations and watches recover by themselves, always, even if etcd returns
// without its data or with older data. An instance that is missing after a re-read is dropped only
// after a lease's lifetime: after a loss of data instances need a moment to register again, and are
// alive all the while.
//
// # Pitfalls
//
// A context passed to Register bounds only the call itself, which doesn't wait; a registration
// lives until Close. Watch blocks and calls back on its own goroutine: a slow callback delays later
// snapshots, and then gets only the newest.
package etcd
