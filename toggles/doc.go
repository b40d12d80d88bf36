// Package toggles decides switches: boolean, string, number and object flags with named variants, a
// default and a rule in JsonLogic, defined in flagd's format ([FlagdVersion]).
//
//	store, err := toggles.Open(toggles.Options{Source: etcdClient})
//	defer store.Close()
//	err = store.Loaded(ctx)
//	view := store.View(ctx, 0, toggles.Attributes{"targetingKey": "session-1"})
//	if view.Bool("new-look", false) { … }
//
// A [Set] is all toggles as of one revision and never changes; a [Store] keeps the last of them, and
// takes what etcd says; a [View] is a Set for one request. Everything is decided in memory, and
// nothing waits for etcd. toggles/requests makes Views of a handler's requests, toggles/openfeature
// is a provider for OpenFeature's SDK.
//
// Pitfalls: decide all toggles of a request with one View, or changes that belong together may be
// seen apart. Values of object toggles are shared, and must not be changed.
//
// Rules are evaluated by github.com/diegoholiveira/jsonlogic, whose operators are global to a
// process: those that are ours have names of their own there.
package toggles
