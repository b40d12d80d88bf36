// Package release is nanofront release: a new version of a service gets its traffic in steps, and
// loses it again if it is worse.
package release
