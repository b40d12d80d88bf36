// Package peers is what nanofront is measured beside: servers and proxies that others hold up, each
// configured as its own documentation advises for performance.
//
//	plain fasthttp                            answers by itself: the least that an answer costs here
//	nginx, haproxy, caddy → plain fasthttp    an HTTP hop
//	fasthttp → nats-server → responder        a hop over another bus
//
// The configuration files are beside this text, *.conf: templates, with a comment for every line
// that matters. plain, gateway and responder are our own, small enough to be read: plain.go,
// gateway.go, responder.go. They run as hidden subcommands of bench, tuned as nanofront's programs
// are (garbage collector, scheduling class), so that what differs is the way of a request and not a
// setting.
//
// All answer every path alike, with 512 bytes of text; /echo/bytes?n=N with N bytes.
package peers
