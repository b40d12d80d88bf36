// Package docs checks the repository's documents, and the rules about imports,
// against the code. It has only tests:
//
//   - every command of README.md is run against a running system;
//   - the numbers and bytes of docs/protocol.md are those of nanobus;
//   - docs/reference.md is what --help prints (go generate writes it anew);
//   - the diagrams of ARCHITECTURE.md name the code's methods and states;
//   - documents wrap at 100 columns;
//   - files and links that documents name exist.
package docs

//go:generate go test -run ^TestReference_IsWhatHelpSays$ . -update
