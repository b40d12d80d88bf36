// Package contexts keeps what a person calls the systems that they work with: for each name the
// flags that address it, in one file of the user's configuration directory.
//
//	f, err := contexts.Load()
//	flags, ok := f.Contexts[f.Current]
//
// It holds names, addresses and paths of files, and no secrets; nobody but its owner can read it
// all the same.
package contexts
