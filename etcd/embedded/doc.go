// Package embedded runs an etcd server inside a process: it is "nanofront etcd". It is separate
// from package etcd so that only the operator's tool links a server; the terminator and the
// handlers link only the client, and a test of package etcd checks that.
//
//	srv, err := embedded.StartServer(ctx, embedded.ServerOptions{
//		DataDir:   "data/etcd",
//		ClientURL: "http://127.0.0.1:2379",
//		Logger:    log,
//	})
//	if err != nil { … }
//	defer srv.Close()
//	select {
//	case <-ctx.Done():
//	case <-srv.Done():
//		return srv.Err()
//	}
//
// Pitfalls: the server tunes nothing by itself, so this package sets what a
// system left alone for months needs (automatic compaction, a quota); and two
// servers on one data directory destroy it, so the directory is locked.
package embedded
