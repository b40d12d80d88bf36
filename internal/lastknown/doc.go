// Package lastknown saves the last instances and routes from discovery in a file, and uses them
// after a start until etcd answers: a front that starts while etcd is away can then serve from the
// live instances, instead of nothing.
//
//	k, err := lastknown.Open(lastknown.Options{File: "last-known.json", Source: client})
//	err = k.Watch(ctx, changed) // as the source's
//
// The file is replaced as a whole, or not at all. It is read only at the start: once etcd has
// answered, its answer counts.
package lastknown
