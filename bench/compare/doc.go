// Package compare tells what changed between two benchmarks beyond the noise.
//
//	out, err := compare.Run(before, after, compare.Options{MaxRegression: 0.10})
//	out.Print(os.Stdout, 100, false)
//	os.Exit(out.ExitCode())
//
// # Method
//
// Each measurement (scenario, subject, driver, loop, step) is compared by three figures: its rate,
// its p99, and its CPU per request. Where both sides had plain fasthttp in the same rounds, rate
// and CPU are taken as ratios to it, round by round, so that the speed of the machine, or of the
// minute, cancels out.
//
// The sample is one value per round. Its logarithm is what is compared, since both noise and change
// of a machine multiply: the difference of means is the ratio of geometric means, and its interval
// of confidence comes from Welch's t (B. L. Welch, "The generalization of Student's problem when
// several different population variances are involved", Biometrika 34, 1947), which doesn't need
// the same noise on both sides. Requests within a round aren't independent of each other and so are
// no sample; that is why a thousand requests a second don't help where there are two rounds.
//
// Of forty figures compared at 95 %, two differ by chance. So a change counts only if it holds for
// all figures together: the p values are corrected as S. Holm describes ("A simple sequentially
// rejective multiple test procedure", Scandinavian Journal of Statistics 6, 1979). The false alarms
// of a whole comparison of a program with itself are then at most 5 in 100.
//
// # Pitfalls
//
// "No difference beyond the noise" isn't "the same": the interval says how much may hide there.
// Fewer than [MinRounds] rounds on a side say nothing at all, and are told so.
package compare
