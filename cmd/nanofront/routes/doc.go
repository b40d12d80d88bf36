// Package routes is nanofront routes: the document in force, shown and replaced.
package routes
