// Package http1 is HTTP/1.1 as the front takes it: the strict grammar, on bytes alone. It reads and
// writes no sockets and knows nothing of the packages around it, so that every reader of requests
// can use it.
//
// A [Scanner] follows a client's bytes, in pieces of any size, and says where requests begin and
// end and where the parts of their heads are ([Head]), or what is wrong with them ([Fault]).
// [NormalizeTarget] brings a request's target to the normal form that routes are matched by.
//
//	var s http1.Scanner
//	s.Init(&http1.Limits{Head: 16 << 10, Fields: 100, Target: 8000, Body: 1 << 20})
//	var h http1.Head
//	n, fault := s.ScanOne(b, &h) // b[:n] is a whole request if s.Between(), else its beginning
//
// What has two readings is refused: two framings, odd line ends, strange chunk sizes. So a second
// parser behind the front can't be made to see different requests.
package http1
