// Package busflags has the flags that say how peers on the bus are told from
// strangers, for the programs that take part in it. It is apart from package
// cli so that a program without a bus doesn't link one.
package busflags
