// Package release moves traffic from one version of a service to another in steps: each is one
// compare-and-swap of the routes document, and each needs the guard's word (release/guard).
//
// A release is a document, and whoever leads carries it on: an Engine looks at every terminator once a
// second, and does the next step, or goes back to the shares before. It keeps nothing that isn't
// written down: the next leader goes on where this one stopped, and what two of them do at the same
// time is done once, for a step is written together with the release's document or not at all.
package release
