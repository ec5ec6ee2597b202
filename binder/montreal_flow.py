"""How weather moves Montréal's cyclists: the notebook's pipeline as functions.

Run it with ``python binder/montreal_flow.py`` or from a notebook; the run, its
tasks and their edges are in the store afterwards (``headrace flow-run ls``).
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

from headrace import flow, get_run_logger, task

DATA = Path(__file__).resolve().parent / "data"


@task(retries=2, retry_delay_seconds=1)
def load_bikes() -> pd.DataFrame:
    """Read the daily counts as the city published them."""
    return pd.read_csv(DATA / "bikes.csv", sep=";", encoding="latin-1", index_col=0)


@task(retries=2, retry_delay_seconds=1)
def load_weather() -> pd.DataFrame:
    """Read the hourly weather."""
    return pd.read_csv(DATA / "weather_2012.csv", parse_dates=["Date/Time"], index_col="Date/Time")


@task
def clean(bikes: pd.DataFrame, counter: str, first_month: int, last_month: int) -> pd.Series:
    """Keep one counter and the months asked for, without empty days."""
    bikes = bikes.dropna(axis="columns", how="all")
    bikes.index = pd.to_datetime(bikes.index, dayfirst=True)
    if counter not in bikes.columns:
        raise ValueError(f"There is no counter {counter!r}; there are {', '.join(bikes.columns)}")
    month = bikes.index.month
    return bikes.loc[(month >= first_month) & (month <= last_month), counter].dropna()


@task
def daily_weather(hourly: pd.DataFrame) -> pd.DataFrame:
    """Mean temperature, hours of rain and mean wind of each day."""
    rainy = hourly["Weather"].str.contains("Rain|Drizzle|Thunderstorms", regex=True)
    return pd.DataFrame(
        {
            "temperature": hourly["Temp (C)"].resample("D").mean(),
            "rain_hours": rainy.resample("D").sum(),
            "wind": hourly["Wind Spd (km/h)"].resample("D").mean(),
        }
    )


@task
def join(cyclists: pd.Series, daily: pd.DataFrame) -> pd.DataFrame:
    """Put counts and weather of the same day side by side."""
    joined = daily.join(cyclists.rename("cyclists"), how="inner").dropna()
    joined["weekend"] = joined.index.day_of_week >= 5
    return joined


@task
def fit(joined: pd.DataFrame) -> dict[str, float]:
    """Fit cyclists a day by temperature, rain and weekend (least squares)."""
    columns = [np.ones(len(joined)), joined["temperature"], joined["rain_hours"], joined["weekend"].astype(float)]
    design = np.column_stack(columns)
    target = joined["cyclists"].to_numpy(dtype=float)
    coefficients, *_ = np.linalg.lstsq(design, target, rcond=None)
    residual = target - design @ coefficients
    effects = dict(zip(["base", "per_degree", "per_rain_hour", "weekend"], coefficients.tolist(), strict=True))
    effects["r_squared"] = float(1 - (residual**2).sum() / ((target - target.mean()) ** 2).sum())
    return effects


@task(log_prints=True)
def report(counter: str, joined: pd.DataFrame, effects: dict[str, float]) -> str:
    """Say it in words."""
    text = (
        f"{counter}: {joined['cyclists'].mean():,.0f} cyclists on an average day. "
        f"A degree more brings {effects['per_degree']:+,.0f}, an hour of rain {effects['per_rain_hour']:+,.0f}, "
        f"a weekend {effects['weekend']:+,.0f}. "
        f"Weather and weekday explain {effects['r_squared']:.0%} of the variation."
    )
    print(text)
    return text


@flow
def montreal_cycling(counter: str = "Berri 1", first_month: int = 1, last_month: int = 12) -> str:
    """How temperature and rain move the cyclists that one counter sees."""
    bikes, weather = load_bikes.submit(), load_weather.submit()
    cyclists = clean.submit(bikes, counter, first_month, last_month)
    joined = join(cyclists, daily_weather.submit(weather))
    get_run_logger().info("%d days to fit", len(joined))
    return report(counter, joined, fit(joined))


def main() -> None:
    """Run the flow with options from the command line."""
    parser = argparse.ArgumentParser(description=montreal_cycling.__doc__)
    parser.add_argument("--counter", default="Berri 1")
    parser.add_argument("--first-month", type=int, default=1)
    parser.add_argument("--last-month", type=int, default=12)
    montreal_cycling(**vars(parser.parse_args()))


if __name__ == "__main__":
    main()
