// Package resulttest makes reports for tests: figures that look like those of a real run, and whose
// truth is known. What it makes depends on the seed alone.
package resulttest
