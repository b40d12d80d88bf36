// Package newproject writes a new handler as a complete project, ready to run.
package newproject
