// Package exchange takes a request through its steps. Each step is here once, for every protocol
// and every driver:
//
//	head → route → body's size → admission → identity → instance → message ─▶ bus
//	response ◀─ fields checked ◀─ retry ◀─ reply, deadline, broken link ◀─┘
//
// A driver takes an [Exchange] from the [Front], gives it the bytes of the head, and starts it with
// the body, or the beginning of it. The exchange answers once through the driver's [Responder], on
// the goroutine that completes it, with a whole response or the beginning of a stream. When that
// has been written, or can't be, the driver calls [Exchange.Finish], which counts, logs and ends
// the exchange.
//
// It knows neither sockets nor a driver.
package exchange
