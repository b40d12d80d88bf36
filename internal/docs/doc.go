// Package docs holds the repository's documents, and the rules of who may
// import whom, against the code. It has only tests:
//
//   - every command of README.md is run against a running system;
//   - the numbers and bytes of docs/protocol.md are those of nanobus;
//   - the flag tables of docs/operations.md are those that --help prints
//     (go test ./internal/docs -update writes them anew);
//   - files and links that documents name exist.
package docs
