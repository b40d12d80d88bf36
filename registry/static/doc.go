// Package static is discovery without etcd: the instances and routes of one
// file (--static FILE, YAML or JSON; docs/static.sample.yaml explains it).
// It has the methods that package etcd's Client has for looking things up,
// so that whoever consumes discovery declares one interface for both.
//
//	t, err := static.Open(ctx, static.Options{File: "table.yaml", Logger: log})
//	if err != nil { … } // unreadable or invalid: says what and where
//	err = t.Watch(ctx, func(s registry.Snapshot) { … })
//
// The file is looked at once a second and read again when it has changed. A
// bad file leaves the previous content in force and says why. Replace the
// file by renaming, so that no half of it is ever read; a half that is no
// valid document does no harm.
//
// Pitfalls: Register makes nobody known. An instance that isn't in the file
// is found by no one, which is logged.
package static
