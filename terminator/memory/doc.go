// Package memory is the budget of bytes that a front holds for its clients: bodies that are being
// gathered, held requests, and responses that clients are slow to take. It is one for all, so that
// however many clients are slow, the front's memory is bounded; and within it each client, by the
// prefix of its address, and each service has a share. A client may hold as much as it leaves free,
// and a service four times as much. So one client that takes all that it gets leaves half to
// others, two leave a third, and a newcomer finds room by the same rule. A little is granted to all
// while there is any, and a service that is the only one needs no share.
//
// An ordinary request holds nothing, and never asks.
package memory
