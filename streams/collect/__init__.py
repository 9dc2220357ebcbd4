"""Sources that flow by themselves: feeds that are asked, files that grow, programs that push."""
