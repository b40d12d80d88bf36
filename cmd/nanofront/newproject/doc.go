// Package newproject writes a handler of one's own, as a project that can be run at once.
package newproject
