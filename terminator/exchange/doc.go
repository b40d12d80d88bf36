// Package exchange takes a request through its steps, each of which is here once, whatever protocol it came in
// and whichever driver reads and writes its connection:
//
//	head → route → body's size → admission → identity → instance → message ─▶ bus
//	response ◀─ fields checked ◀─ retry ◀─ reply, deadline, broken link ◀─┘
//
// A driver takes an [Exchange] from the [Front], gives it the bytes of the head, and starts it with the body, or
// the beginning of it. The exchange answers through the driver's [Responder], on whatever goroutine it comes to
// know the answer: once, with a response whole or the beginning of a stream. When that has been written, or
// can't be, the driver says so with [Exchange.Finish], which counts, logs and ends the exchange.
//
// It knows neither sockets nor a driver.
package exchange
