// Package doctree reads the text of a document, JSON or YAML, into a tree in which each value has its
// line, and refuses what the other format doesn't have.
//
// Documents are read in two steps: text into YAML's tree, and the tree into structs. The libraries'
// own decoding into structs stops at the first fault and can't say which part it is in; and both
// formats shall refuse the same things with the same words. JSON has a reader of its own: YAML
// doesn't take all that it may hold, such as characters escaped as surrogates.
package doctree
