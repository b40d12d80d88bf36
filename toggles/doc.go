// Package toggles decides switches: boolean, string, number and object flags in flagd's format, with
// variants, a default and a rule in JsonLogic, evaluated in memory.
package toggles
