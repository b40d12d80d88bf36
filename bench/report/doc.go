// Package report shows what a benchmark has measured: as a table for a terminal, as one HTML file
// that needs nothing else, and as SVG files for documents.
//
//	report.Terminal(os.Stdout, rep, 100, true)
//	report.HTML(file, rep)
//	report.Plots("docs/bench", rep)
//
// All plots are drawn by the same code into a drawing (drawing.go), a list of shapes, which svg.go
// writes. Each is laid out for a width, not scaled to it, so that a phone gets a plot of its own
// with letters of a readable size.
//
// # Pitfalls
//
// Subjects are told apart by colour, marker and dashes, and parts of a bar by colour, hatching and
// number: a new plot must not lean on colour alone.
package report
