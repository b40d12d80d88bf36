// Package lastknown keeps the instances and routes that discovery last said in
// a file, and takes them from there while etcd has not answered since the
// start: a front that starts while etcd is away then serves what lives, instead
// of nothing.
//
//	k, err := lastknown.Open(lastknown.Options{File: "last-known.json", Source: client})
//	err = k.Watch(ctx, changed) // as the source's
//
// The file is replaced as a whole, or not at all. It is only read at the start:
// once etcd has answered, what it says holds.
package lastknown
