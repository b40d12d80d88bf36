// Package admission decides how much is let in: requests, by a gate for each service ([Gate],
// [Limiter]), and second tries, by a budget ([RetryBudget]). It does no I/O and knows no protocol.
package admission
