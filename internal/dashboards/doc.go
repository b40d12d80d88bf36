// Package dashboards says what is shown of nanofront's metrics, and renders it for the systems that
// draw them. panels.go is the only place that says what is on a dashboard; it names metrics by the
// variables of metrics/catalogue.go, so that none can be shown which doesn't exist, and a test
// finds those that nobody sees. The files are below deploy/.
package dashboards

//go:generate go run ./gen ../../deploy
