// Package targets is nanofront targets: it tells Prometheus which processes there are, as a file
// (file_sd) or over HTTP (http_sd). A list that was known once stays in force while etcd is away.
package targets
