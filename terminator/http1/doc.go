// Package http1 is HTTP/1.1 as the front takes it: the strict grammar, on bytes alone. It reads and writes no socket and
// knows nothing of the packages around it, so that whatever reads requests can be held to it.
//
// A [Scanner] follows a client's bytes, in pieces of any size, and says where requests begin and end and what is where in
// their heads ([Head]), or what is wrong with them ([Fault]). [NormalizeTarget] brings a request's target to the one form that routes are matched by.
//
//	var s http1.Scanner
//	s.Init(&http1.Limits{Head: 16 << 10, Fields: 100, Target: 8000, Body: 1 << 20})
//	var h http1.Head
//	n, fault := s.ScanOne(b, &h) // b[:n] is a whole request if s.Between(), else its beginning
//
// What has two readings is refused: two framings, odd line ends, strange chunk sizes. A second parser behind the front so
// can't be made to see other requests than it did.
package http1
