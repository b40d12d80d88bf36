// Package static is discovery without etcd: the instances and routes of one file (--static FILE,
// YAML or JSON; docs/static.sample.yaml explains it). It has the same look-up methods as package
// etcd's Client, so that users of discovery declare one interface for both.
//
//	t, err := static.Open(ctx, static.Options{File: "table.yaml", Logger: log})
//	if err != nil { … } // unreadable or invalid: says what and where
//	err = t.Watch(ctx, func(s registry.Snapshot) { … })
//
// The file is checked once a second and read again when it has changed. A bad file leaves the
// previous content in force and logs why. Replace the file by renaming, so that no half of it is
// ever read; a half that isn't a valid document does no harm.
//
// Pitfall: Register announces nothing. Nobody finds an instance that isn't in the file, which is
// logged.
package static
