// Package top is nanofront top: processes, services and routes on a live screen, to be sorted and
// filtered. What it shows is what package fleet finds, as nanofront status does.
package top
