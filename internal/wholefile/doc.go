// Package wholefile writes files whole or not at all: what was there stays until there is something to
// put in its place.
//
//	f, err := wholefile.Create("result.json") // says now that it can't be written
//	...
//	defer f.Close() // harmless after Commit
//	_, err = f.Write(report)
//	...
//	err = f.Commit()
//
// Pitfall: the file that takes the place is a new one, so hard links to the old one keep the old
// content. Its permissions are those of the old one, or 0644 less the umask.
package wholefile
